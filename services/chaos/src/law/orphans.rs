//! I5: at rest there is no work entry, nothing pending, delayed or planned, and the product's own audit finds nothing.

use crate::books::Books;

/// Names what is left over.
pub fn check(books: &Books) -> Vec<String> {
    let left = books.snapshot.left.iter().map(|(name, count)| format!("{count} {name}"));
    left.chain(books.audit.iter().map(|violation| format!("audit: {violation}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::assert_breaks;

    #[test]
    fn leftovers_and_findings_of_the_audit_are_found() {
        assert_breaks(
            check,
            &[
                ("left", |books| books.snapshot.left.push(("delayed".to_owned(), 1))),
                ("audit", |books| books.audit.push("token_missing".to_owned())),
            ],
        );
    }
}
