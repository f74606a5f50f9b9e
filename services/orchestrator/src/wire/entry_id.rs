//! The ids of entries as clients name them: ms, a dash, a number.

/// What a cursor must be.
pub const CURSOR_RULE: &str = "must be the next_cursor of a page";

/// The two numbers of an id that Redis can read.
fn numbers(text: &str) -> Option<(u64, u64)> {
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    let (ms, number_of_ms) = text.split_once('-')?;
    Some((number(ms)?, number(number_of_ms)?))
}

/// Whether Redis can read it.
pub fn is_entry_id(text: &str) -> bool {
    numbers(text).is_some()
}

/// Whether something may be older than it. Nothing is older than 0-0, and Redis refuses to look.
pub fn is_cursor(text: &str) -> bool {
    numbers(text).is_some_and(|numbers| numbers != (0, 0))
}

/// The first id behind all that are older than `cursor` and not newer than `until`.
pub fn bound(cursor: Option<&str>, until: Option<&str>) -> Option<String> {
    let next = |(ms, number): (u64, u64)| match number.checked_add(1) {
        Some(number) => Some((ms, number)),
        None => Some((ms.checked_add(1)?, 0)),
    };
    let bounds = [cursor.and_then(numbers), until.and_then(numbers).and_then(next)];
    bounds.into_iter().flatten().min().map(|(ms, number)| format!("{ms}-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_newer_than_an_id_lies_before_the_next_one() {
        const LAST: &str = "18446744073709551615-18446744073709551615";
        for (cursor, until, expect) in [
            (None, None, None),
            (Some("5-1"), None, Some("5-1")),
            (None, Some("5-1"), Some("5-2")),
            (None, Some("5-18446744073709551615"), Some("6-0")),
            (None, Some(LAST), None),
            (Some("5-1"), Some("10-0"), Some("5-1")),
            (Some("10-0"), Some("5-1"), Some("5-2")),
        ] {
            assert_eq!(bound(cursor, until).as_deref(), expect, "{cursor:?} {until:?}");
        }
    }

    #[test]
    fn an_id_is_two_numbers_and_a_cursor_is_not_zero() {
        for (text, is_id, is_a_cursor) in [
            ("5-0", true, true),
            ("18446744073709551615-18446744073709551615", true, true),
            ("0-0", true, false),
            ("00-0", true, false),
            ("18446744073709551616-0", false, false),
            ("5", false, false),
            ("-", false, false),
            ("+5-0", false, false),
            ("5-0-0", false, false),
        ] {
            assert_eq!((is_entry_id(text), is_cursor(text)), (is_id, is_a_cursor), "{text}");
        }
    }
}
