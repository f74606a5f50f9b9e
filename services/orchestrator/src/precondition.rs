//! What a client has seen already (RFC 9110, 13.1): `If-None-Match` and `If-Match` name the revision of a task as its entity
//! tag, `"<revision>"`.

use crate::body::violation::{Pointer, Violations};
use crate::refusal::Refusal;

/// Whether the client has this document already. Compared weakly; a header that is none names nothing.
pub fn has_seen(if_none_match: Option<&str>, etag: &str) -> bool {
    let Some(header) = if_none_match else { return false };
    header.trim() == "*" || header.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// The one revision at which the client wants something to happen; `*` is any. Compared strongly: of a tag that is weak or no
/// number of ours there is no revision.
pub fn required(if_match: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(header) = if_match.map(str::trim).filter(|header| *header != "*") else { return Ok(None) };
    let opaque = header.trim_start_matches("W/").strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match opaque {
        Some(opaque) if !opaque.contains('"') => {
            let revision = (!header.starts_with("W/")).then(|| opaque.parse().ok()).flatten();
            Ok(Some(revision.filter(|number: &u64| number.to_string() == opaque).unwrap_or(u64::MAX)))
        }
        _ => {
            let mut violations = Violations::default();
            violations.shape(&Pointer::root().field("If-Match"), "must be one entity tag, such as \"3\", or *");
            Err(Refusal::Invalid(violations))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_seen_alone_in_a_list_and_weak() {
        for (header, expect) in [
            (None, false),
            (Some("\"3\""), true),
            (Some("W/\"3\""), true),
            (Some("\"1\", \"3\""), true),
            (Some("*"), true),
            (Some("\"33\""), false),
            (Some("3"), false),
            (Some(""), false),
        ] {
            assert_eq!(has_seen(header, "\"3\""), expect, "{header:?}");
        }
    }

    #[test]
    fn one_strong_tag_is_a_revision_and_nothing_else_is() {
        for (header, expect) in [
            (None, Some(None)),
            (Some("*"), Some(None)),
            (Some(" \"3\" "), Some(Some(3))),
            (Some("W/\"3\""), Some(Some(u64::MAX))),
            (Some("\"03\""), Some(Some(u64::MAX))),
            (Some("\"x\""), Some(Some(u64::MAX))),
            (Some("3"), None),
            (Some("\"1\", \"3\""), None),
            (Some(""), None),
        ] {
            assert_eq!(required(header).ok(), expect, "{header:?}");
        }
    }
}
