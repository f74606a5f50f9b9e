//! Where webhooks may be.

use clap::Args;
use task_core::egress::{Allowed, Egress};

/// Where webhooks may be.
#[derive(Debug, Clone, Default, Args)]
pub struct EgressSettings {
    /// Hosts with their ports, separated by commas, such as `hooks.internal:8080`, at which webhooks may listen besides
    /// public ones: also without TLS, also at private addresses. The same for the API and the workers.
    #[arg(long, env = "WEBHOOK_ALLOW", value_name = "HOST:PORT", value_delimiter = ',')]
    webhook_allow: Vec<Allowed>,
}

impl EgressSettings {
    /// The rule.
    pub fn egress(&self) -> Egress {
        Egress { allowed: self.webhook_allow.clone() }
    }
}
