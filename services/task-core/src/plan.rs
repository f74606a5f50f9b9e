//! Planning: from a description to the subtasks of a task.
//!
//! A [`Planner`] never fails and never returns an empty plan: whatever could go wrong goes wrong when it is made.
//! [`Rules`] is the one that is always there: keyword rules from a TOML file, the first match plans.

use proto_schemas::entry::KIND_DEFAULT;
use proto_schemas::limit::{DESCRIPTION_CHARS_MAX, SUBTASKS_MAX};
use proto_schemas::{Kind, Priority, SubtaskDefinition};
use serde::Deserialize;

const BUILT_IN: &str = include_str!("rules.toml");
const PLACEHOLDER: &str = "{description}";

/// Makes a plan for a description.
pub trait Planner {
    /// The subtasks in the order of their index: 1 to 1,000, each with `priority`.
    fn plan(&self, description: &str, priority: Priority) -> Vec<SubtaskDefinition>;
}

/// Keyword rules, tried in the order of the file, and what plans when none matches.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
    fallback: Vec<Step>,
}

/// A rules file that cannot be used. Rules count from 1, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not TOML, or of another shape.
    #[error("line {line} of the rules is malformed")]
    Malformed {
        /// Where, from 1.
        line: usize,
        /// What the parser says.
        #[source]
        source: toml::de::Error,
    },
    /// Some description would have no plan.
    #[error("the rules have no [fallback]")]
    NoFallback,
    /// A word that every description contains.
    #[error("rule {0}: `contains` is empty")]
    EmptyWord(usize),
    /// A plan needs 1 to 1,000 steps.
    #[error("{0}: 1 to 1000 steps are needed")]
    Steps(String),
    /// A step's description needs 1 to 10,000 characters.
    #[error("{0}, step {1}: the description needs 1 to 10000 characters")]
    Description(String, usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
    fallback: Option<Fallback>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    contains: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fallback {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    description: String,
    #[serde(default = "kind_default")]
    kind: Kind,
}

fn kind_default() -> Kind {
    Kind::new(KIND_DEFAULT).expect("the default kind is a token")
}

impl Rules {
    /// The rules that ship with Millstream: `authentication`, `api`, else three general steps.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the checked-in rules parse: a test parses them")
    }

    /// Reads rules from TOML text of the shape of the built-in file, `rules.toml`.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text).map_err(|source| {
            let at = source.span().map_or(0, |span| span.start);
            RulesError::Malformed { line: 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count(), source }
        })?;
        let fallback = file.fallback.ok_or(RulesError::NoFallback)?.steps;
        check_steps("the fallback", &fallback)?;
        let mut rules = file.rule;
        for (at, rule) in rules.iter_mut().enumerate() {
            if rule.contains.is_empty() {
                return Err(RulesError::EmptyWord(at + 1));
            }
            check_steps(&format!("rule {}", at + 1), &rule.steps)?;
            rule.contains = rule.contains.to_lowercase();
        }
        Ok(Self { rules, fallback })
    }
}

fn check_steps(place: &str, steps: &[Step]) -> Result<(), RulesError> {
    if steps.is_empty() || steps.len() > SUBTASKS_MAX {
        return Err(RulesError::Steps(place.to_owned()));
    }
    let fits = |step: &Step| (1..=DESCRIPTION_CHARS_MAX).contains(&step.description.chars().count());
    match steps.iter().position(|step| !fits(step)) {
        Some(at) => Err(RulesError::Description(place.to_owned(), at + 1)),
        None => Ok(()),
    }
}

impl Planner for Rules {
    fn plan(&self, description: &str, priority: Priority) -> Vec<SubtaskDefinition> {
        let lower = description.to_lowercase();
        let rule = self.rules.iter().find(|rule| lower.contains(&rule.contains));
        let steps = rule.map_or(&self.fallback, |rule| &rule.steps);
        steps.iter().map(|step| define(step, description, priority)).collect()
    }
}

fn define(step: &Step, description: &str, priority: Priority) -> SubtaskDefinition {
    SubtaskDefinition::new(step.kind.clone(), fill(&step.description, description), priority)
}

/// The template with every placeholder replaced, cut after 10,000 characters.
fn fill(template: &str, description: &str) -> String {
    let mut filled = String::new();
    let mut room = DESCRIPTION_CHARS_MAX;
    let mut push = |text: &str| {
        let end = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
        room -= text[..end].chars().count();
        filled.push_str(&text[..end]);
    };
    for (nth, piece) in template.split(PLACEHOLDER).enumerate() {
        if nth > 0 {
            push(description);
        }
        push(piece);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &Rules, description: &str, expect: &[&str]) {
        let plan = rules.plan(description, Priority::High);
        assert_eq!(plan.iter().map(|step| step.description.as_str()).collect::<Vec<_>>(), expect);
        assert!(plan.iter().all(|step| step.priority == Priority::High && step.params.get() == "{}"));
    }

    #[test]
    fn the_built_in_rules_plan_as_the_ancestors_did() {
        let authentication = [
            "Design user database schema",
            "Implement JWT token generation",
            "Create login/logout endpoints",
            "Add password hashing with bcrypt",
        ];
        let api = [
            "Define API endpoints and routes",
            "Implement request validation",
            "Add error handling middleware",
            "Write API documentation",
        ];
        let rules = Rules::built_in();
        check(&rules, "Build a user authentication system", &authentication);
        check(&rules, "an API with AUTHENTICATION", &authentication);
        check(&rules, "Build a rest Api", &api);
        let general = |d: &str| {
            ["Research requirements for: ", "Implement core logic for: ", "Test and validate: "]
                .map(|step| format!("{step}{d}"))
        };
        for description in ["bake bread", "a, \"b\"\n ünï", "{description}"] {
            check(&rules, description, &general(description).each_ref().map(String::as_str));
        }
        assert!(rules.plan("x", Priority::Low).iter().all(|step| step.kind.as_str() == "simulate"));
    }

    #[test]
    fn a_file_of_ones_own_replaces_them() {
        let text = "[[rule]]\ncontains = 'ÜBER'\nsteps = [{ description = 'go', kind = 'test_task' }]\n\
                    [fallback]\nsteps = [{ description = '{description}, {description}' }]";
        let rules = Rules::parse(text).unwrap();
        check(&rules, "etwas übermut", &["go"]);
        assert_eq!(rules.plan("über", Priority::Low)[0].kind.as_str(), "test_task");
        check(&rules, "authentication", &["authentication, authentication"]);
    }

    #[test]
    fn a_filled_description_is_cut_between_characters() {
        let long = "ü".repeat(DESCRIPTION_CHARS_MAX);
        let plan = Rules::built_in().plan(&long, Priority::Low);
        assert!(plan.iter().all(|step| step.description.chars().count() == DESCRIPTION_CHARS_MAX));
        assert!(plan[2].description.starts_with("Test and validate: üü"));
    }

    #[test]
    fn a_file_that_leaves_a_task_without_a_plan_is_refused_by_place() {
        let fallback = "[fallback]\nsteps = [{ description = 'd' }]\n";
        let rule = |body: &str| Rules::parse(&format!("{fallback}[[rule]]\n{body}")).unwrap_err();
        assert_eq!(Rules::parse("").unwrap_err(), RulesError::NoFallback);
        assert_eq!(rule("contains = ''\nsteps = [{ description = 'd' }]"), RulesError::EmptyWord(1));
        assert_eq!(rule("contains = 'a'\nsteps = []"), RulesError::Steps("rule 1".to_owned()));
        assert_eq!(
            rule("contains = 'a'\nsteps = [{ description = 'd' }, { description = '' }]"),
            RulesError::Description("rule 1".to_owned(), 2)
        );
        for (body, at) in [
            ("contains = 'a'\nsteps = [{ description = 'd', kin = 'k' }]", 5),
            ("contains = 'a'\nsteps = [{ description = 'd', kind = 'not a kind' }]", 5),
            ("contain = 'a'", 4),
            ("contains = a", 4),
        ] {
            assert!(matches!(rule(body), RulesError::Malformed { line, .. } if line == at), "{body}: {:?}", rule(body));
        }
        let steps = "{ description = 'd' },".repeat(SUBTASKS_MAX + 1);
        let many = format!("[fallback]\nsteps = [{steps}]");
        assert_eq!(Rules::parse(&many).unwrap_err(), RulesError::Steps("the fallback".to_owned()));
    }
}
