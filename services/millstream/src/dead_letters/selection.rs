//! Which dead letters a command means.

use crate::exit::{Exit, Failure};
use clap::Args;
use serde_json::{Map, Value, json};

/// What they have in common.
#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only those buried for this reason
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those of this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
}

/// Some by id, or all that match.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// The ids of dead letters
    #[arg(value_name = "ENTRY_ID")]
    entry_ids: Vec<String>,
    /// All there are
    #[arg(long, conflicts_with_all = ["entry_ids", "reason", "kind", "task"])]
    all: bool,
    #[command(flatten)]
    filter: Filter,
}

impl Filter {
    /// Name and value of each as the API calls it.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let fields = [("reason", &self.reason), ("kind", &self.kind), ("task_id", &self.task)];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

impl Selection {
    /// How many of the ids are not there if so many are.
    pub fn missing(&self, matched: u64) -> u64 {
        let ids: std::collections::BTreeSet<&String> = self.entry_ids.iter().collect();
        (ids.len() as u64).saturating_sub(matched)
    }

    /// Says so on stderr if some of the ids are not there.
    pub fn tell_missing(&self, matched: u64) -> u64 {
        let missing = self.missing(matched);
        if missing > 0 {
            eprintln!("{missing} of the dead letters are not there");
        }
        missing
    }

    /// As the API takes it. Nothing at all is not everything.
    pub fn body(&self) -> Result<Map<String, Value>, Failure> {
        let filter = self.filter.pairs();
        let refusal = |why: &str| Failure::new(Exit::Usage, why);
        let (name, value) = match (self.entry_ids.is_empty(), filter.is_empty()) {
            (false, false) => return Err(refusal("either ids or a filter is needed, not both")),
            (true, true) if !self.all => return Err(refusal("an ENTRY_ID, a filter or --all is needed")),
            (false, true) => ("entry_ids", json!(self.entry_ids)),
            (true, _) => {
                ("matching", filter.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
            }
        };
        Ok(Map::from_iter([(name.to_owned(), value)]))
    }
}
