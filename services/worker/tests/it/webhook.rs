//! Deliveries to a real endpoint: signed, tried again, and never to where nobody may be reached.

use crate::stage::{Stage, eventually, quick, stage, subtask};
use proto_schemas::{SubtaskDefinition, TaskId, Webhook, WebhookEvent, WebhookSecret};
use redis_store::keep::Kept;
use serde_json::json;
use std::sync::Arc;
use system_tests::receiver::Receiver;
use task_core::egress::Egress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use worker::Handlers;
use worker::handlers::Webhook as Deliverer;
use worker::handlers::post::Poster;

const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh";

async fn make(stage: &Stage, url: &str) {
    let secret = |secret: &str, until_ms| WebhookSecret { secret: secret.to_owned(), until_ms };
    let webhook = Webhook {
        url: url.to_owned(),
        events: vec![WebhookEvent::Completed],
        secrets: vec![secret(NEW, None), secret(OLD, Some(u64::MAX >> 12)), secret("whsec_AAAA", Some(1))],
        created_at_ms: 1,
    };
    stage.store.remove_webhook("wh_1").await.expect("an answer");
    assert_eq!(stage.store.keep_webhook("wh_1", None, &webhook).await.expect("an answer"), Kept::Kept);
}

fn allow(address: &str) -> Egress {
    Egress { allowed: vec![address.parse().expect("a host and a port")] }
}

fn deliverer(stage: &Stage, egress: Egress) -> Handlers {
    Handlers::default().with(Deliverer::new(stage.store.clone(), egress))
}

async fn deliver(stage: &Stage, task: &str) {
    let params = json!({"webhook_id": "wh_1", "event": {"id": task, "n": 1.0}});
    let queue = "webhooks".parse().expect("a queue");
    let delivery = SubtaskDefinition { queue, backoff_base_ms: 1, max_attempts: 2, ..subtask("webhook", &params) };
    let task_id = TaskId::new(task).expect("an id");
    stage.store.begin_deliveries("wh_1", &[task_id], 1).await.expect("an answer");
    stage.submit(task, vec![delivery]).await;
}

/// Deliveries that take a place.
async fn open(stage: &Stage) -> u64 {
    stage.store.open_deliveries("wh_1", 0).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_signed_with_every_secret_that_holds_and_its_body_is_sent_as_it_stands() {
    let (stage, receiver) = (stage().await, Receiver::start(&["204 No Content"]));
    make(&stage, &format!("http://{}/hooks?a=b", receiver.address())).await;
    let worker = stage.work(quick(), deliverer(&stage, allow(&receiver.address())));
    deliver(&stage, "T").await;
    eventually("a result", || stage.result("T-0").is_some()).await;
    let delivery = receiver.deliveries().remove(0);
    assert_eq!(delivery.line, "POST /hooks?a=b HTTP/1.1");
    assert_eq!(delivery.body, r#"{"id":"T","n":1.0}"#);
    assert_eq!(delivery.headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert_eq!((&*delivery.headers["webhook-id"], &*delivery.headers["host"]), ("T", &*receiver.address()));
    assert!(delivery.is_signed_with(NEW) && delivery.is_signed_with(OLD) && !delivery.is_signed_with("whsec_AAAA"));
    assert_eq!(stage.result("T-0").expect("a result")["output"]["status"], 204);
    assert_eq!(open(&stage).await, 0);
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_tried_again_under_the_same_id() {
    let answers = ["302 Found\r\nLocation: http://127.0.0.1:1/", "200 OK"];
    let (stage, receiver) = (stage().await, Receiver::start(&answers));
    make(&stage, &format!("http://{}/", receiver.address())).await;
    let worker = stage.work(quick(), deliverer(&stage, allow(&receiver.address())));
    deliver(&stage, "T").await;
    eventually("a result", || stage.result("T-0").is_some()).await;
    let ids: Vec<String> = receiver.deliveries().iter().map(|it| it.headers["webhook-id"].clone()).collect();
    assert_eq!(ids, ["T", "T"]);
    assert_eq!(stage.result("T-0").expect("a result")["status"], "completed");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_there_no_more_is_told_nothing_from_then_on() {
    let (stage, receiver) = (stage().await, Receiver::start(&["410 Gone"]));
    make(&stage, &format!("http://{}/", receiver.address())).await;
    let worker = stage.work(quick(), deliverer(&stage, allow(&receiver.address())));
    deliver(&stage, "T").await;
    eventually("a result", || stage.result("T-0").is_some()).await;
    deliver(&stage, "U").await;
    eventually("another result", || stage.result("U-0").is_some()).await;
    assert_eq!(receiver.deliveries().len(), 1, "no second attempt, and no second delivery");
    let statuses = ["T-0", "U-0"].map(|id| stage.result(id).expect("a result")["status"].clone());
    assert_eq!(statuses, ["failed", "completed"], "what was not sent is no dead letter");
    assert_eq!(open(&stage).await, 0);
    assert!(stage.store.webhook("wh_1").await.expect("an answer").expect("a webhook").gone_at_ms.is_some());
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_reached_is_not_reached_and_nothing_secret_is_told() {
    let (stage, receiver) = (stage().await, Receiver::start(&["200 OK"]));
    // As a hand would write it, or as it was allowed before.
    for (task, url) in [
        ("T", format!("http://{}/c4n4ry", receiver.address())),
        ("U", format!("https://localhost:{}/?c4n4ry", receiver.address().rsplit(':').next().expect("a port"))),
    ] {
        make(&stage, &url).await;
        let worker = stage.work(quick(), deliverer(&stage, Egress::default()));
        deliver(&stage, task).await;
        eventually("a result", || stage.result(&format!("{task}-0")).is_some()).await;
        let result = stage.result(&format!("{task}-0")).expect("a result").to_string();
        assert!(result.contains("failed") && !result.contains("c4n4ry") && !result.contains("whsec_"), "{result}");
        worker.stop().await.expect("a clean end");
    }
    assert_eq!(receiver.deliveries().len(), 0);
    assert_eq!(open(&stage).await, 0, "the last attempt was the end of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_against_whom_the_machine_trusts() {
    let stage = stage().await;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = made.signing_key.serialize_der().try_into().expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a pair");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    make(&stage, &format!("https://{address}/")).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    for (task, poster, expect) in [("T", Poster::trusting(roots), "completed"), ("U", Poster::default(), "failed")] {
        let handlers = Handlers::default().with(Deliverer::with(stage.store.clone(), allow(&address), poster));
        let worker = stage.work(quick(), handlers);
        deliver(&stage, task).await;
        eventually("a result", || stage.result(&format!("{task}-0")).is_some()).await;
        assert_eq!(stage.result(&format!("{task}-0")).expect("a result")["status"], expect);
        worker.stop().await.expect("a clean end");
    }
    server.abort();
}
