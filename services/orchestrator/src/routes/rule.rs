//! What the value of a parameter must be, as the document says: so that all that is wrong with a query is told at once,
//! each with its rule.

use crate::wire::time::Timestamp;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use regex::Regex;

/// The rule of one parameter.
#[derive(Debug)]
pub struct Rule {
    is_met: Met,
    /// How it is told, behind the parameter's name.
    text: String,
}

#[derive(Debug)]
enum Met {
    Always,
    Pattern(Regex),
    Between(u64, u64),
    Chars(usize, usize),
    Time,
}

impl Rule {
    /// Of a parameter of this schema.
    pub fn of(schema: &MetaSchemaRef) -> Self {
        let MetaSchemaRef::Inline(schema) = schema else { return Self::always() };
        let MetaSchema { pattern, minimum, maximum, min_length, max_length, format, .. } = &**schema;
        match (pattern, minimum, maximum, max_length) {
            (Some(pattern), ..) => match Regex::new(pattern) {
                Ok(regex) => Self { is_met: Met::Pattern(regex), text: format!("must match {pattern}") },
                Err(_) => Self::always(),
            },
            (_, Some(least), Some(most), _) => {
                let (least, most) = (*least as u64, *most as u64);
                Self { is_met: Met::Between(least, most), text: format!("must be an integer from {least} to {most}") }
            }
            (.., Some(most)) => {
                let least = min_length.unwrap_or(0);
                Self { is_met: Met::Chars(least, *most), text: format!("must have {least} to {most} characters") }
            }
            _ if *format == Some("date-time") => {
                Self { is_met: Met::Time, text: "must be a time as RFC 3339 writes it".to_owned() }
            }
            _ => Self::always(),
        }
    }

    /// What is wrong with a value, if anything is; it does not repeat it.
    pub fn violation(&self, value: &str) -> Option<&str> {
        let is_met = match &self.is_met {
            Met::Always => true,
            Met::Pattern(regex) => regex.is_match(value),
            Met::Between(least, most) => value.parse().is_ok_and(|number: u64| (*least..=*most).contains(&number)),
            Met::Chars(least, most) => (*least..=*most).contains(&value.chars().count()),
            Met::Time => Timestamp::read(value).is_some(),
        };
        (!is_met).then_some(&*self.text)
    }

    /// Of a parameter that may be anything; what else is wrong with it its handler says.
    fn always() -> Self {
        Self { is_met: Met::Always, text: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parameter::{ErrorText, LetterCursor, PageLimit, Since, StatusList};
    use poem_openapi::types::{ParseFromParameter, Type};

    /// What the rule says, and what the reader of the handler makes of it.
    fn judged<T: Type + ParseFromParameter>(value: &str) -> (bool, bool) {
        (Rule::of(&T::schema_ref()).violation(value).is_none(), T::parse_from_parameter(value).is_ok())
    }

    #[test]
    fn a_rule_takes_what_the_reader_takes() {
        let long = "x".repeat(201);
        for value in
            ["", "0", "1", "100", "101", "-1", "+5", "1e2", "5-0", "0-0", "queued", "queued,", "queued,failed", &long]
                .into_iter()
                .chain(["2026-01-31T12:00:00Z", "2026-01-31", "yesterday", "5-0\n", "Timeout", "é"])
        {
            for (by_rule, by_reader) in [
                judged::<PageLimit>(value),
                judged::<StatusList>(value),
                judged::<LetterCursor>(value),
                judged::<ErrorText>(value),
                judged::<Since>(value),
            ] {
                assert_eq!(by_rule, by_reader, "{value}");
            }
        }
    }

    #[test]
    fn a_rule_is_told_in_words() {
        for (schema, text) in [
            (PageLimit::schema_ref(), "must be an integer from 1 to 100"),
            (ErrorText::schema_ref(), "must have 1 to 200 characters"),
            (Since::schema_ref(), "must be a time as RFC 3339 writes it"),
        ] {
            assert_eq!(Rule::of(&schema).violation(""), Some(text));
        }
    }
}
