//! docs/errors.md: every code with what it is answered for, made of the same refusals as the answers.

use super::{Refusal, sample};
use crate::wire::problem::Problem;
use std::fmt::Write;

const HEAD: &str = "# Errors

Every answer of the API that is not 2xx (or 304) is a problem document (RFC 9457, `application/problem+json`):
`type`, `title`, `status`, `detail`, `instance`, `code`, `request_id`, and where they say something `errors` (which fields, as
JSON pointers), `missing` and `violated-policies`. It never repeats a value that you sent.

- Go by `code`. There may be more one day: of one that you do not know, go by the status.
- `type` names the same sort as a URI. It is `urn:problem-type:millstream:<code>`, a name and no address, but for the two that
  are known beyond us (draft-ietf-httpapi-ratelimit-headers).
- Where there is a pause, `Retry-After` says how many seconds; of `quota_exceeded` as many as it takes. Elsewhere
  waiting alone seldom helps. A change that is answered 500 or 503, or not at all, may have been made: repeat it with the same
  `Idempotency-Key`.
- `detail` below is that of one case; it names what is wrong in yours.

Which operation answers with which of them is in the OpenAPI document, with an example of each. A test compares this page:
`UPDATE=1 cargo test -p orchestrator errors_page` writes it anew.

| status | code | title | detail, as an example | Retry-After |
|---|---|---|---|---|
";

fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let mut types = String::from("\nThese two have a `type` that is not ours:\n\n");
    for refusal in sample::ALL.map(|sample| sample()) {
        let Problem { status, code, title, detail, kind, .. } = refusal.problem(sample::REQUEST_ID);
        let pause = match (&refusal, refusal.retry_after()) {
            (Refusal::Throttled(_), _) => "as needed".to_owned(),
            (_, Some(seconds)) => format!("{seconds} s"),
            (_, None) => "–".to_owned(),
        };
        let _ = writeln!(text, "| {status} | `{code}` | {title} | {detail} | {pause} |");
        if !kind.ends_with(&code) {
            let _ = writeln!(types, "- `{code}`: <{kind}>");
        }
    }
    text + &types
}

#[test]
fn the_errors_page_is_the_table_of_refusals() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, markdown()).expect("docs/ is there");
    }
    let documented = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(documented, markdown(), "UPDATE=1 cargo test -p orchestrator errors_page writes docs/errors.md anew");
    assert!(!sample::ALL.iter().any(|sample| sample().problem("R").detail.contains('|')));
}
