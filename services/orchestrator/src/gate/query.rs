//! The query of a request, strictly: a parameter that is misspelt would otherwise be left out in silence, and of one that
//! stands twice nobody knows which holds.

use crate::body::violation::{Pointer, Violations};
use crate::refusal::Refusal;
use crate::routes::operation::Operation;
use std::collections::HashSet;

/// Refuses what `operation` does not know, and what stands twice.
pub fn check(operation: &Operation, query: &str) -> Result<(), Refusal> {
    let (mut violations, mut seen) = (Violations::default(), HashSet::new());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap_or_default();
        let at = Pointer::root().field(name);
        if !operation.knows(name) {
            violations.shape(&at, "is not a known parameter");
        } else if !seen.insert(name) {
            violations.shape(&at, "stands twice in the query");
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
    fn unknown_and_repeated_parameters_are_named() {
        let Lookup::Found(list) = find(&Method::GET, "/dead-letters") else { panic!("listed") };
        for (query, pointers) in [
            ("", &[][..]),
            ("limit=5&&cursor=", &[]),
            ("limit=1&limit=2", &["/limit"]),
            ("lim%69t=1", &["/lim_69t"]),
            ("filter[$ne]=x&sort=;drop", &["/filter__ne_", "/sort"]),
        ] {
            match check(list, query) {
                Ok(()) => assert!(pointers.is_empty(), "{query}"),
                Err(Refusal::Invalid(violations)) => assert_eq!(violations.pointers(), pointers, "{query}"),
                Err(other) => panic!("{query}: {other}"),
            }
        }
    }
}
