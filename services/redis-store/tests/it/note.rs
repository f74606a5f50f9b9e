//! The audit: who changed what.

use crate::stage::{refuses_other_types, stage};
use redis_store::note::{NOTES_MAX, Note, word};

fn note(at: usize) -> Note {
    Note {
        at: "2026-01-31T12:00:00.000Z".to_owned(),
        client: "key:x".to_owned(),
        operation: "cancel_task",
        object: format!("/tasks/{at}/cancel"),
        status: 409,
        code: "not_cancellable".to_owned(),
        address: "::1".to_owned(),
        request_id: "R".to_owned(),
        detail: "matched=1".to_owned(),
    }
}

#[tokio::test]
async fn notes_are_entries_that_redis_cli_reads_in_their_order() {
    let stage = stage().await;
    stage.store.note(&[note(1), note(2)]).await.unwrap();
    let entries = stage.raw(&["XRANGE", "audit", "-", "+"]);
    let fields = entries.items()[1].items()[1].items().iter().map(|text| text.text()).collect::<Vec<_>>().join(" ");
    let expect = "at 2026-01-31T12:00:00.000Z client key:x operation cancel_task object /tasks/2/cancel status 409 code \
                  not_cancellable address ::1 request_id R detail matched=1";
    assert_eq!((entries.items().len(), fields.as_str()), (2, expect));
    stage.store.note(&[]).await.unwrap();
    assert_eq!(stage.raw(&["XLEN", "audit"]).integer(), 2);
}

#[tokio::test]
async fn a_call_takes_as_many_as_it_may_and_the_audit_is_bounded() {
    let stage = stage().await;
    let full: Vec<Note> = (0..NOTES_MAX).map(note).collect();
    let mut connection = stage.redis.connect().expect("a connection");
    let add = ["XADD", "audit", "*", "at", "x"];
    connection.pipeline(&vec![add.to_vec(); 100_500]).expect("added");
    stage.store.note(&full).await.unwrap();
    let length = stage.raw(&["XLEN", "audit"]).integer();
    assert!((100_000..100_300).contains(&length), "{length}");
    let more: Vec<Note> = (0..=NOTES_MAX).map(note).collect();
    assert!(stage.store.note(&more).await.is_err());
    assert_eq!(stage.raw(&["XLEN", "audit"]).integer(), length, "half a call does not happen");
}

#[tokio::test]
async fn an_audit_of_another_type_is_left_alone() {
    let stage = stage().await;
    refuses_other_types(&stage, &["audit"], async || stage.store.note(&[note(1)]).await).await;
}

#[test]
fn what_stands_in_a_note_cannot_be_anybodys_secret() {
    for (text, expect) in [
        ("01K5QJ0000ABCDEFGHJKMNPQRS.07", "01K5QJ0000ABCDEFGHJKMNPQRS.07"),
        ("wh_01K5QJ0000ABCDEFGHJKMNPQRS", "wh_01K5QJ0000ABCDEFGHJKMNPQRS"),
        ("1790000009000-0", "1790000009000-0"),
        ("", "*"),
        ("two words", "*"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr", "*"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "*"),
        (&"0".repeat(64), "*"),
    ] {
        assert_eq!(word(text), expect);
    }
}
