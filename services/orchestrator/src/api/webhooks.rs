//! Who is told of the ends of tasks.

use super::Tag;
use crate::body::JsonBody;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Refusals, Refused};
use crate::refusal::sample;
use crate::trail::SharedTrail;
use crate::webhooks;
use crate::wire::answer::JsonText;
use crate::wire::webhook::{NewWebhook, WebhookDocument, WebhookList};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, OpenApi};
use std::sync::Arc;

/// The operations on webhooks.
pub struct WebhooksApi;

#[derive(ApiResponse)]
enum Created {
    /// Created. Keep the secret: it is not shown again.
    #[oai(status = 201)]
    Webhook(
        JsonText<WebhookDocument>,
        /// Where it is read.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// It is told nothing any more.
    #[oai(status = 204)]
    Gone,
}

struct Creating;

impl Refusals for Creating {
    const OWN: &'static [Answer] = &[
        (409, "There are 100 webhooks already.", &[|| Refusal::TooManyWebhooks]),
        (422, "A URL that webhooks may not use. Nothing was stored.", &[sample::forbidden_url]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

struct Listing;

impl Refusals for Listing {
    const OWN: &'static [Answer] = &[];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

struct Changing;

impl Refusals for Changing {
    const OWN: &'static [Answer] = &[(404, "No webhook has this id.", &[|| Refusal::WebhookNotFound])];
    const WAY: &'static [&'static [Answer]] = documented::WRITING;
}

struct Choosing;

impl Refusals for Choosing {
    const OWN: &'static [Answer] = &[(404, "No webhook has this id.", &[|| Refusal::WebhookNotFound])];
    const WAY: &'static [&'static [Answer]] = documented::ASKING;
}

#[OpenApi(tag = "Tag::Webhooks")]
impl WebhooksApi {
    /// Create a webhook
    ///
    /// From now on it is told of each end of a task that it wants, within a second or two of the end, at least once: a
    /// POST of a CloudEvent (`application/cloudevents+json`), signed as Standard Webhooks says. Any 2xx takes it.
    /// Anything else is tried again up to 15 times, with pauses that grow to 6 hours, or after `Retry-After`; 410 ends
    /// the webhook.
    #[oai(path = "/webhooks", method = "post", operation_id = "create_webhook")]
    async fn create(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        body: JsonBody<NewWebhook>,
    ) -> Result<Created, Refused<Creating>> {
        let document = webhooks::create(&context, body.document).await?;
        let location = format!("/webhooks/{}", document.webhook_id);
        let _ = trail.made.set(location.clone());
        Ok(Created::Webhook(JsonText(document), location))
    }

    /// List webhooks
    ///
    /// Oldest first, without their secrets.
    #[oai(path = "/webhooks", method = "get", operation_id = "list_webhooks")]
    async fn list(&self, context: Data<&Arc<Context>>) -> Result<JsonText<WebhookList>, Refused<Listing>> {
        Ok(JsonText(webhooks::list(&context).await?))
    }

    /// Read a webhook
    ///
    /// Without its secret.
    #[oai(path = "/webhooks/:webhook_id", method = "get", operation_id = "get_webhook")]
    async fn show(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered when it was made.
        #[oai(name = "webhook_id", example = "example_id")]
        webhook_id: Path<String>,
    ) -> Result<JsonText<WebhookDocument>, Refused<Choosing>> {
        Ok(JsonText(webhooks::show(&context, &webhook_id.0).await?))
    }

    /// Delete a webhook
    ///
    /// What was to be delivered to it is given up.
    #[oai(path = "/webhooks/:webhook_id", method = "delete", operation_id = "delete_webhook")]
    async fn delete(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered when it was made.
        #[oai(name = "webhook_id", example = "example_id")]
        webhook_id: Path<String>,
    ) -> Result<Deleted, Refused<Changing>> {
        webhooks::delete(&context, &webhook_id.0).await?;
        Ok(Deleted::Gone)
    }

    /// Give a webhook another secret
    ///
    /// It is shown this once. For a day the one before signs too: a delivery then carries both signatures.
    #[oai(path = "/webhooks/:webhook_id/rotate-secret", method = "post", operation_id = "rotate_webhook_secret")]
    async fn rotate(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered when it was made.
        #[oai(name = "webhook_id", example = "example_id")]
        webhook_id: Path<String>,
    ) -> Result<JsonText<WebhookDocument>, Refused<Changing>> {
        Ok(JsonText(webhooks::rotate(&context, &webhook_id.0).await?))
    }
}

fn example_id() -> String {
    WebhookDocument::example().webhook_id
}
