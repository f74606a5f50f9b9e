//! What is wrong with a request, and where. Neither ever repeats a value that the client sent.

use proto_schemas::limit::TOKEN_CHARS_MAX;

/// A JSON pointer (RFC 6901) into the request. Names come from the client, so they are cut and cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

/// Of what sort a violation is; the gravest of a request decides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Not of the described shape.
    Shape,
    /// Larger than a part of a request may be.
    Size,
    /// Well-formed, and against a rule.
    Rule,
    /// A kind that no worker serves.
    Kind,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub at: Pointer,
    /// Of what sort.
    pub class: Class,
    /// What, as a sentence that begins with the place.
    pub detail: String,
}

/// Everything that is wrong with a request, as far as a person can use it.
#[derive(Debug)]
pub struct Violations {
    kept: Vec<Violation>,
    kept_max: usize,
    left_out: usize,
}

/// Nobody reads more; a body of 1 MiB could hold 100,000.
const KEPT_MAX: usize = 100;

impl Pointer {
    /// The whole document.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// A field of the object here.
    pub fn field(&self, name: &str) -> Self {
        let clean = |char: char| if char.is_ascii_alphanumeric() || "_.-".contains(char) { char } else { '_' };
        let name: String = name.chars().take(TOKEN_CHARS_MAX).map(clean).collect();
        Self(format!("{}/{name}", self.0))
    }

    /// An item of the list here.
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// As RFC 6901 writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Violations {
    fn default() -> Self {
        Self::at_most(KEPT_MAX)
    }
}

impl Violations {
    /// Nothing yet; no more than so many are kept.
    pub fn at_most(kept_max: usize) -> Self {
        Self { kept: Vec::new(), kept_max, left_out: 0 }
    }

    /// Forgets all but the first.
    pub fn cut(&mut self, kept_max: usize) {
        self.left_out += self.kept.len().saturating_sub(kept_max);
        self.kept.truncate(kept_max);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What is wrong, in the order in which it was found; at most 100.
    pub fn kept(&self) -> &[Violation] {
        &self.kept
    }

    /// The gravest sort.
    pub fn class(&self) -> Class {
        self.kept.iter().map(|violation| violation.class).min().unwrap_or(Class::Shape)
    }

    /// The first in words, and how many more there are.
    pub fn summary(&self) -> String {
        let first = self.kept.first().map_or("the request is not valid", |violation| violation.detail.as_str());
        match (self.kept.len() + self.left_out).saturating_sub(1) {
            0 => first.to_owned(),
            more => format!("{first} (and {more} more)"),
        }
    }

    /// Adds a violation of shape; `rule` continues a sentence that begins with the place.
    pub fn shape(&mut self, at: &Pointer, rule: &str) {
        self.add(at, Class::Shape, rule);
    }

    /// Adds a violation; `rule` continues a sentence that begins with the place.
    pub fn add(&mut self, at: &Pointer, class: Class, rule: &str) {
        if self.kept.len() == self.kept_max {
            self.left_out += 1;
            return;
        }
        let place = if at.0.is_empty() { "the body" } else { &at.0[1..] };
        self.kept.push(Violation { at: at.clone(), class, detail: format!("{place} {rule}") });
    }

    #[cfg(test)]
    pub fn pointers(&self) -> Vec<&str> {
        self.kept.iter().map(|violation| violation.at.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_pointer_is_cut_and_cleaned() {
        let at = Pointer::root().field("subtasks").item(3);
        assert_eq!(at.as_str(), "/subtasks/3");
        assert_eq!(at.field("a/b~<script>\n\u{202e}é").as_str(), "/subtasks/3/a_b__script____");
        assert_eq!(Pointer::root().field(&"x".repeat(500)).as_str().len(), 1 + TOKEN_CHARS_MAX);
    }

    #[test]
    fn the_gravest_class_decides_and_the_list_is_bounded() {
        let mut violations = Violations::default();
        violations.add(&Pointer::root().field("kind"), Class::Kind, "is unknown");
        assert_eq!((violations.class(), violations.summary().as_str()), (Class::Kind, "kind is unknown"));
        for _ in 0..1_000 {
            violations.shape(&Pointer::root(), "must be an object");
        }
        assert_eq!((violations.class(), violations.kept().len()), (Class::Shape, KEPT_MAX));
        assert!(violations.summary().ends_with("(and 1000 more)"));
    }
}
