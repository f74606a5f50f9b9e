//! The query of a request, strictly: a parameter that is misspelt would otherwise be left out in silence, and of one
//! that stands twice nobody knows which holds. All that is wrong is told at once.

use crate::body::violation::{Pointer, Violations};
use crate::refusal::Refusal;
use crate::routes::operation::Operation;
use std::collections::HashSet;

/// Refuses what `operation` does not know, what stands twice, and what is against the rule of its parameter.
pub fn check(operation: &Operation, query: &str) -> Result<(), Refusal> {
    let Some(rules) = &operation.query else { return Ok(()) };
    let (mut violations, mut seen) = (Violations::default(), HashSet::new());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap_or_default();
        let at = Pointer::root().field(name);
        let Some(rule) = rules.get(name) else {
            violations.shape(&at, "is not a known parameter");
            continue;
        };
        let value = form_urlencoded::parse(part.as_bytes()).next().map(|(_, value)| value).unwrap_or_default();
        if !seen.insert(name) {
            violations.shape(&at, "stands twice in the query");
        } else if let Some(text) = rule.violation(&value) {
            violations.shape(&at, text);
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Invalid(violations)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::operation::{Lookup, find};
    use poem::http::Method;

    #[test]
    fn whatever_is_wrong_is_named_at_once() {
        let Lookup::Found(list) = find(&Method::GET, "/tasks") else { panic!("listed") };
        for (query, pointers) in [
            ("", &[][..]),
            ("limit=5&&kind=k", &[]),
            ("since=2026-01-31T12:00:00%2B02:00", &[]),
            ("limit=1&limit=2", &["/limit"]),
            ("lim%69t=1", &["/lim_69t"]),
            ("filter[$ne]=x&sort=;drop", &["/filter__ne_", "/sort"]),
            ("status=done&limit=0&since=x&x=1&kind=a+b", &["/status", "/limit", "/since", "/x", "/kind"]),
        ] {
            match check(list, query) {
                Ok(()) => assert!(pointers.is_empty(), "{query}"),
                Err(Refusal::Invalid(violations)) => assert_eq!(violations.pointers(), pointers, "{query}"),
                Err(other) => panic!("{query}: {other}"),
            }
        }
    }
}
