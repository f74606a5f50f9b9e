//! `millstream worker`: runs subtasks.

use crate::deliverer;
use crate::exit::{Exit, Failure};
use crate::exposition::Exposition;
use crate::role::{Role, RoleSettings};
use crate::settings::{EgressSettings, HealthSettings, InForce, MetricsSettings, StopSettings, WorkerSettings};
use ::worker::WorkerError;
use clap::Args;
use proto_schemas::Kind;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "worker";
const PATIENCE: Duration = Duration::from_secs(10);

/// Run subtasks until SIGTERM
#[derive(Debug, Args)]
pub struct Worker {
    #[command(flatten)]
    role: RoleSettings,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    egress: EgressSettings,
    #[command(flatten)]
    stop: StopSettings,
    #[command(flatten)]
    health: HealthSettings,
    #[command(flatten)]
    metrics: MetricsSettings,
}

/// What a worker does for webhooks.
#[derive(Debug, Clone, Copy)]
enum Deliveries {
    /// Nothing: they are not among its kinds.
    None,
    /// It delivers beside its own work.
    Beside,
    /// It does nothing else.
    Only,
}

impl Worker {
    /// Runs until a signal, or until the worker finds itself unhealthy. A handler that cannot be stopped ends the
    /// process at once, whatever its other threads do: nothing else would end that handler.
    pub fn run(self, in_force: InForce) -> anyhow::Result<Exit> {
        let WorkerSettings { worker_id, worker_slots, worker_kinds, lease, simulate_seconds, result_ttl } = self.worker;
        let (deliveries, kinds): (Vec<Kind>, Vec<Kind>) =
            worker_kinds.into_iter().partition(|kind| *kind == deliverer::kind());
        let delivers = match (deliveries.is_empty(), kinds.is_empty()) {
            (true, true) | (false, false) => Deliveries::Beside,
            (true, false) => Deliveries::None,
            (false, true) => Deliveries::Only,
        };
        let config = ::worker::Config {
            worker_id: worker_id.unwrap_or_else(host_name),
            slots: worker_slots,
            kinds,
            lease,
            result_ttl,
            grace: self.stop.shutdown_grace,
            wedged: || std::process::exit(Exit::Unhealthy as i32),
            metrics: Arc::default(),
        };
        let handlers = ::worker::handlers::built_in(simulate_seconds);
        let speaker = config.worker_id.clone();
        let role = Role {
            name: NAME,
            speaker: &speaker,
            patience: PATIENCE,
            health_file: Some(self.health.file(NAME)),
            exposition: Some(Exposition { settings: &self.metrics, registry: config.metrics.registry().clone() }),
            settings: &self.role,
            in_force: &in_force,
        };
        let egress = self.egress.egress();
        role.run(async move |store, pulse, shutdown| {
            let handlers = match delivers {
                Deliveries::Only => deliverer::handlers(&store, &egress),
                Deliveries::None | Deliveries::Beside => handlers,
            };
            // Whichever ends by itself takes the other with it, in good order.
            let stop = shutdown.child_token();
            let main = async {
                let _stop = stop.clone().drop_guard();
                ::worker::run(config.clone(), handlers, store.clone(), pulse.clone(), stop.clone()).await
            };
            let beside = async {
                match delivers {
                    Deliveries::Beside => {
                        let (config, egress, store) = (config.clone(), egress.clone(), store.clone());
                        let ended = deliverer::run(config, egress, store, &pulse, stop.clone()).await;
                        stop.cancel();
                        ended
                    }
                    Deliveries::None | Deliveries::Only => Ok(()),
                }
            };
            let (main, beside) = tokio::join!(main, beside);
            main.and(beside).map_err(refusal)?;
            Ok(Exit::Ok)
        })
    }
}

fn refusal(error: WorkerError) -> Failure {
    let exit = match error {
        WorkerError::Config(_) | WorkerError::LeaseDiffers { .. } => Exit::Usage,
        WorkerError::Thread(_) => Exit::Unhealthy,
    };
    Failure::new(exit, format!("{:#}", anyhow::Error::from(error)))
}

fn host_name() -> String {
    let name = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = if name.is_empty() { NAME.to_owned() } else { name };
    name.chars()
        .take(32)
        .map(|char| if char.is_ascii_alphanumeric() || "_.-".contains(char) { char } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_is_not_tried_again_and_a_dead_thread_is() {
        assert_eq!(refusal(WorkerError::LeaseDiffers { mine: 1, held: 2 }).exit(), Exit::Usage);
        let dead = refusal(WorkerError::Thread(std::io::Error::other("no more threads")));
        assert_eq!(dead.exit(), Exit::Unhealthy);
        assert!(dead.to_string().ends_with(": no more threads"), "{dead}");
    }
}
