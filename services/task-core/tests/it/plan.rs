//! Every description has a plan within the limits.

use proptest::prelude::*;
use proto_schemas::Priority;
use proto_schemas::limit::{DESCRIPTION_CHARS_MAX, SUBTASKS_MAX};
use task_core::{Planner, Rules};

proptest! {
    #[test]
    fn every_description_has_a_bounded_plan(description in "(\\PC|\n){0,40}", times in 1_usize..400) {
        let description = description.repeat(times);
        let plan = Rules::built_in().plan(&description, Priority::Medium);
        prop_assert!((1..=SUBTASKS_MAX).contains(&plan.len()));
        for step in &plan {
            prop_assert!((1..=DESCRIPTION_CHARS_MAX).contains(&step.description.chars().count()));
            prop_assert_eq!(step.priority, Priority::Medium);
        }
    }

    #[test]
    fn parsing_never_panics(text in "(\\PC|\n|\\[\\[rule\\]\\]|steps = |\\[fallback\\]){0,30}") {
        if let Ok(rules) = Rules::parse(&text) {
            prop_assert!(!rules.plan("x", Priority::Low).is_empty());
        }
    }
}
