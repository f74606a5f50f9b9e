//! What of a request about several letters stands in the audit: which were meant, and what became of how many.

use crate::wire::letter_selection::{Discarded, LetterFilter, LetterRange, LetterSelection, RequeuedLetters};
use redis_store::note::{word, words};

/// Which letters were meant: `entry_ids=5-0,6-0`, `reason=timeout kind=crawl`, or `matching=all`.
pub fn meant(selection: &LetterSelection) -> String {
    match selection {
        LetterSelection::These(ids) => format!("entry_ids={}", words(ids.iter().map(String::as_str))),
        LetterSelection::Matching(range) => matching(range),
    }
}

fn matching(LetterRange { filter, before }: &LetterRange) -> String {
    let LetterFilter { reason, kind, task_id } = filter;
    let fields = [("reason", reason), ("kind", kind), ("task_id", task_id)];
    let mut parts: Vec<String> =
        fields.iter().filter_map(|(name, text)| Some(format!("{name}={}", word(text.as_ref()?)))).collect();
    if parts.is_empty() {
        parts.push("matching=all".to_owned());
    }
    parts.extend(before.as_ref().map(|id| format!("before={}", word(id))));
    parts.join(" ")
}

/// What became of letters that were to be given back.
pub fn requeued(told: &RequeuedLetters) -> String {
    let RequeuedLetters { matched, requeued, gone, unfit, left, .. } = told;
    format!("matched={matched} requeued={requeued} gone={gone} unfit={unfit} left={left}")
}

/// What became of letters that were to be thrown away.
pub fn discarded(told: &Discarded) -> String {
    let Discarded { matched, discarded, left, .. } = told;
    format!("matched={matched} discarded={discarded} left={left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(reason: Option<&str>, kind: Option<&str>, before: Option<&str>) -> LetterSelection {
        let [reason, kind, before] = [reason, kind, before].map(|text| text.map(str::to_owned));
        LetterSelection::Matching(LetterRange { filter: LetterFilter { reason, kind, task_id: None }, before })
    }

    #[test]
    fn which_letters_were_meant_is_told_without_what_cannot_be_a_word() {
        let ids = |count| LetterSelection::These((1..=count).map(|at| format!("{at}-0")).collect());
        for (selection, expect) in [
            (ids(2), "entry_ids=1-0,2-0"),
            (ids(12), "entry_ids=1-0,2-0,3-0,4-0,5-0,6-0,7-0,8-0,9-0,10-0,+2"),
            (range(None, None, None), "matching=all"),
            (range(None, None, Some("9-0")), "matching=all before=9-0"),
            (range(Some("timeout"), Some("k"), None), "reason=timeout kind=k"),
            (range(Some("two words"), Some(&"0".repeat(64)), None), "reason=* kind=*"),
        ] {
            assert_eq!(meant(&selection), expect);
        }
    }
}
