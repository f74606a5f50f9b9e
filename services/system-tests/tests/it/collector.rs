//! A collector of traces: takes OTLP over HTTP on a port of its own and keeps every span.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use system_tests::eventually::eventually;
use system_tests::stack::SOON;

/// Spans as they came.
#[derive(Default, Clone)]
pub struct Collector {
    port: u16,
    spans: Arc<Mutex<Vec<Seen>>>,
    headers: Arc<Mutex<BTreeSet<String>>>,
}

/// One span.
#[derive(Debug, Clone)]
pub struct Seen {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for the first of its trace.
    pub parent: String,
    /// As the protocol numbers it: 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    pub took_ns: i64,
    /// The traces of what it is linked to.
    pub links: Vec<String>,
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Listens until the test ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let collector = Self { port: listener.local_addr().expect("an address").port(), ..Self::default() };
        let kept = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || serve(&stream, &kept));
            }
        });
        collector
    }

    /// What `OTLP_ENDPOINT` must be.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything so far.
    pub fn spans(&self) -> Vec<Seen> {
        self.spans.lock().expect("no thread panics with it").clone()
    }

    /// Every header that ever came, as it was written.
    pub fn headers(&self) -> BTreeSet<String> {
        self.headers.lock().expect("no thread panics with it").clone()
    }

    /// The trace in which the task was accepted, once it has all these spans, each as often as it stands here.
    pub fn await_trace(&self, task_id: &str, names: &[&str]) -> Vec<Seen> {
        let mut last = Vec::new();
        let is_it = |span: &&Seen| span.name == "submit" && span.attributes["millstream.task.id"] == task_id;
        eventually(SOON, &format!("{names:?} in the trace of {task_id}"), || {
            let all = self.spans();
            let trace = all.iter().find(is_it)?.trace.clone();
            last = all.into_iter().filter(|span| span.trace == trace).collect();
            let count = |name: &str| last.iter().filter(|span| span.name == name).count();
            let wanted = |name: &str| names.iter().filter(|other| **other == name).count();
            names.iter().all(|name| count(name) >= wanted(name)).then(|| last.clone())
        })
    }
}

/// Answers each request of a connection.
fn serve(stream: &TcpStream, kept: &Collector) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        assert_eq!(line, "POST /v1/traces HTTP/1.1\r\n");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            kept.headers.lock().expect("no thread panics with it").insert(line.trim().to_owned());
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request = ExportTraceServiceRequest::decode(&*body).expect("what OTLP sends");
        kept.spans.lock().expect("no thread panics with it").extend(read(request));
        writer
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")
            .ok()?;
    }
}

fn read(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let of_one = |all: opentelemetry_proto::tonic::trace::v1::ResourceSpans| {
        let resource = attributes(&all.resource.expect("a resource").attributes);
        let service = resource["service.name"].clone();
        let spans = all.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(|span| Seen::of(service.clone(), span)).collect::<Vec<_>>()
    };
    request.resource_spans.into_iter().flat_map(of_one).collect()
}

impl Seen {
    fn of(service: String, span: Span) -> Self {
        Self {
            service,
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            kind: span.kind,
            took_ns: span.end_time_unix_nano as i64 - span.start_time_unix_nano as i64,
            links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
            attributes: attributes(&span.attributes),
        }
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    all.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
