//! What operators look at.

use super::Tag;
use crate::context::Context;
use crate::operations;
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Refusals, Refused};
use crate::wire::answer::JsonText;
use crate::wire::kind::KindList;
use crate::wire::stream::StreamList;
use crate::wire::task;
use crate::wire::why::Explanation;
use crate::wire::worker::WorkerList;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use proto_schemas::TaskId;
use std::sync::Arc;

/// The operations on the installation as a whole.
pub struct OperationsApi;

struct Looking;

impl Refusals for Looking {
    const OWN: &'static [Answer] = &[];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

struct Explaining;

impl Refusals for Explaining {
    const OWN: &'static [Answer] = &[documented::NO_TASK];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

#[OpenApi(tag = "Tag::Operations")]
impl OperationsApi {
    /// List streams
    ///
    /// What XINFO and XPENDING say of each, with ages and with what people should look at.
    #[oai(path = "/streams", method = "get", operation_id = "list_streams")]
    async fn streams(&self, context: Data<&Arc<Context>>) -> Result<JsonText<StreamList>, Refused<Looking>> {
        Ok(JsonText(operations::streams(&context).await?))
    }

    /// List workers
    ///
    /// The live workers, the kinds each serves and what it has leased now: owner, age, idle time and deliveries of each
    /// entry. The leases are read once a second for all who ask.
    #[oai(path = "/workers", method = "get", operation_id = "list_workers")]
    async fn workers(&self, context: Data<&Arc<Context>>) -> Result<JsonText<WorkerList>, Refused<Looking>> {
        Ok(JsonText(operations::workers(&context).await?))
    }

    /// List kinds
    ///
    /// The kinds that are accepted: built in, or announced by a worker within the last seven days.
    #[oai(path = "/kinds", method = "get", operation_id = "list_kinds")]
    async fn kinds(&self, context: Data<&Arc<Context>>) -> Result<JsonText<KindList>, Refused<Looking>> {
        Ok(JsonText(context.kinds.list(&context).await?))
    }

    /// What a task waits for
    ///
    /// What each of its open subtasks waits for: a worker of its kind, its time, what it depends on, its turn.
    #[oai(path = "/tasks/:task_id/why", method = "get", operation_id = "explain_task")]
    async fn why(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
    ) -> Result<JsonText<Explanation>, Refused<Explaining>> {
        let task_id = TaskId::new(task_id.0).map_err(|_| Refusal::TaskNotFound)?;
        Ok(JsonText(operations::why(&context, &task_id).await?))
    }
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
