//! A client of the API as anyone writes one.

use reqwest::Method;
use reqwest::blocking::{Client as Http, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use std::time::Duration;

/// Speaks to one orchestrator.
#[derive(Clone)]
pub struct Client {
    http: Http,
    base: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Client {
    /// A client of the API on this port of 127.0.0.1.
    pub fn new(port: u16) -> Self {
        Self { http: http(HeaderMap::new()), base: format!("http://127.0.0.1:{port}") }
    }

    /// The same client, who says with each request who they are.
    pub fn bearing(&self, credentials: &str) -> Self {
        let value = HeaderValue::from_str(&format!("Bearer {credentials}")).expect("credentials");
        Self { http: http([(AUTHORIZATION, value)].into_iter().collect()), base: self.base.clone() }
    }

    /// Any request that must be answered; without a document it has no body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let method: Method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = if let Some(body) = body { request.json(body) } else { request };
        request.send().and_then(Answer::read).expect("the API answers")
    }

    /// The base address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET; `Err` if no whole answer came.
    pub fn try_get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        self.http.get(format!("{}{path}", self.base)).send().and_then(Answer::read)
    }

    /// POST of a JSON document; `Err` if no whole answer came.
    pub fn try_post(&self, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        self.http.post(format!("{}{path}", self.base)).json(body).send().and_then(Answer::read)
    }

    /// POST under an idempotency key; `Err` if no whole answer came.
    pub fn try_post_once(&self, path: &str, key: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.base)).header("Idempotency-Key", format!("\"{key}\""));
        request.json(body).send().and_then(Answer::read)
    }

    /// POST within the trace that `traceparent` names; `Err` if no whole answer came.
    pub fn try_post_within(&self, path: &str, traceparent: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.base)).header("traceparent", traceparent);
        request.json(body).send().and_then(Answer::read)
    }

    /// GET with credentials that must be answered.
    pub fn get_as(&self, path: &str, credentials: &str) -> Answer {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(credentials);
        request.send().and_then(Answer::read).expect("the API answers")
    }

    /// GET that must be answered.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("the API answers")
    }

    /// POST that must be answered.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).expect("the API answers")
    }

    /// Submits a task that must be accepted; answers its id.
    pub fn submit(&self, body: &Value) -> String {
        let answer = self.post("/tasks", body);
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["task_id"].as_str().expect("a task_id").to_owned()
    }

    /// Cancels a task that can be; answers its document.
    pub fn cancel(&self, task_id: &str) -> Value {
        let answer = self.post(&format!("/tasks/{task_id}/cancel"), &Value::Object(Default::default()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The document of a task that must exist.
    pub fn task(&self, task_id: &str) -> Value {
        let answer = self.get(&format!("/tasks/{task_id}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
}

fn http(headers: HeaderMap) -> Http {
    let http = Http::builder().timeout(Duration::from_secs(20)).no_proxy().default_headers(headers);
    http.build().expect("a client")
}

impl Answer {
    fn read(response: Response) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok(Self { status, headers, body: response.text()? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
