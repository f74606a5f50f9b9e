//! What a client has seen already (RFC 9110, 13.1): `If-None-Match` and `If-Match` name the revision of a task as its
//! entity tag, `"<revision>"`, or `"<revision>-delayed"` before its time.

use crate::body::violation::{Pointer, Violations};
use crate::refusal::Refusal;
use crate::wire::header::header;
use crate::wire::task::EARLY;

/// The header `If-None-Match`, all lines of it as one.
pub struct IfNoneMatch(Option<String>);

/// The header `If-Match`, all lines of it as one.
pub struct IfMatch(Option<String>);

impl IfNoneMatch {
    /// Whether the client has this document already. Compared weakly; a header that is none names nothing.
    pub fn names(&self, etag: &str) -> bool {
        has_seen(self.0.as_deref(), etag)
    }
}

impl IfMatch {
    /// The one revision at which the client wants something to happen; `None` is any.
    pub fn revision(&self) -> Result<Option<u64>, Refusal> {
        required(self.0.as_deref())
    }
}

header!(IfNoneMatch, "if-none-match");
header!(IfMatch, "if-match");

fn has_seen(if_none_match: Option<&str>, etag: &str) -> bool {
    let Some(header) = if_none_match else { return false };
    header.trim() == "*" || header.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// `*` is any revision, and of several the newest counts: who has seen that one, of a number that only grows, finds no
/// older one any more. Compared strongly: a tag that is weak or no number of ours names no revision.
fn required(if_match: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(header) = if_match.map(str::trim).filter(|header| *header != "*") else { return Ok(None) };
    let mut newest = None;
    for tag in header.split(',').map(str::trim) {
        let opaque = tag.trim_start_matches("W/").strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let Some(opaque) = opaque.filter(|opaque| !opaque.contains('"')) else {
            let mut violations = Violations::default();
            violations.shape(&Pointer::root().field("If-Match"), "must be * or entity tags, such as \"3\"");
            return Err(Refusal::Invalid(violations));
        };
        if !tag.starts_with("W/") {
            newest = newest.max(revision(opaque));
        }
    }
    Ok(Some(newest.unwrap_or(u64::MAX)))
}

/// The revision that a tag of ours names.
fn revision(opaque: &str) -> Option<u64> {
    let number = opaque.strip_suffix(EARLY).unwrap_or(opaque);
    number.parse().ok().filter(|revision: &u64| revision.to_string() == number)
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
    fn a_strong_tag_is_a_revision_and_of_several_the_newest_counts() {
        for (header, expect) in [
            (None, Some(None)),
            (Some("*"), Some(None)),
            (Some(" \"3\" "), Some(Some(3))),
            (Some("\"3-delayed\""), Some(Some(3))),
            (Some("\"3-queued\""), Some(Some(u64::MAX))),
            (Some("W/\"3\""), Some(Some(u64::MAX))),
            (Some("\"03\""), Some(Some(u64::MAX))),
            (Some("\"x\""), Some(Some(u64::MAX))),
            (Some("3"), None),
            (Some("\"1\", \"3-delayed\",\"2\""), Some(Some(3))),
            (Some("W/\"9\", \"3\", \"x\""), Some(Some(3))),
            (Some("\"5\", \u{fffd}"), None),
            (Some(""), None),
        ] {
            assert_eq!(required(header).ok(), expect, "{header:?}");
        }
    }
}
