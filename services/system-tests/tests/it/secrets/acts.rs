//! What happens in the scene: secrets used as they should be, secrets used as they should not, and what else makes an
//! installation speak.

use super::scene::{BASIC, IDEMPOTENCY_KEY, Scene, URL_TOKEN, token};
use crate::hostile::exchange;
use jsonwebtoken::get_current_timestamp;
use serde_json::json;
use system_tests::body;
use system_tests::client::Client;
use system_tests::eventually::eventually;
use system_tests::process::{Settings, run};
use system_tests::receiver::Receiver;
use system_tests::redis::Reply;
use system_tests::stack::{SOON, free_port};

impl Scene {
    /// Keys that are made, turned and taken back; those that open are used.
    pub fn use_keys(&mut self) {
        let id = self.keys[0].split('_').nth(1).expect("an id").to_owned();
        let rotated = self.stack.run(&["keys", "rotate", &id]).out.trim().to_owned();
        let made = self.stack.run(&["keys", "create", "other", "--scope", "read"]).out.trim().to_owned();
        let other_id = made.split('_').nth(1).expect("an id").to_owned();
        self.keys.extend([rotated.clone(), made.clone()]);
        let renewed = self.stack.client.bearing(&rotated);
        eventually(SOON, "the new secret opens", || {
            (renewed.send("GET", "/tasks", &[], None).status == 200).then_some(())
        });
        let reader = self.stack.client.bearing(&made);
        assert_eq!(self.ask(&reader, ("GET", "/tasks"), &[], None), 200);
        assert_eq!(self.ask(&reader, ("POST", "/tasks"), &[], Some(&body::simulated(1))), 403);
        self.run(&["keys", "revoke", &other_id]);
        self.run(&["keys", "list", "--json"]);
        let token = self.stack.client.bearing(&self.tokens[0]);
        assert_eq!(self.ask(&token, ("GET", "/tasks"), &[], None), 200);
    }

    /// Secrets that are wrong, or stand where none belongs.
    pub fn misuse(&mut self) {
        let ([key, signed, expired], nobody) =
            ([self.keys[0].clone(), self.tokens[0].clone(), self.tokens[1].clone()], self.stack.client.clone());
        let (id, secret) = key.rsplit_once('_').expect("a secret");
        let turned: String = secret.chars().rev().collect();
        let forged = token("another secret of forty bytes or some more", get_current_timestamp() + 60);
        for wrong in [format!("{id}_{turned}"), expired, forged, format!("x{key}")] {
            let client = self.stack.client.bearing(&wrong);
            assert_eq!(self.ask(&client, ("POST", "/tasks"), &[], Some(&body::simulated(1))), 401);
        }
        let bearer = format!("Bearer {key}");
        for (name, value) in [("x-api-key", &*key), ("cookie", &*key), ("authorization", &format!("Basic {BASIC}=="))] {
            assert_eq!(self.ask(&nobody, ("GET", "/tasks"), &[(name, value)], None), 401);
        }
        for path in [&*key, secret, &*signed] {
            for (method, path) in [
                ("POST", format!("/tasks/{path}/cancel")),
                ("POST", format!("/dead-letters/{path}/requeue")),
                ("GET", format!("/tasks/{path}")),
                ("GET", format!("/{path}")),
            ] {
                assert_eq!(self.ask_as_admin(method, &path, None), 404);
            }
            assert_eq!(self.ask_as_admin("GET", &format!("/tasks?access_token={path}"), None), 400);
            assert_eq!(self.ask_as_admin("GET", &format!("/tasks?cursor={path}"), None), 400);
        }
        for (header, value) in
            [("content-type", &*key), ("idempotency-key", &format!("\"{key}")), ("if-match", &*key), ("prefer", &*key)]
        {
            let json = [("content-type", "application/json"), (header, value)];
            let headers = if header == "content-type" { &json[1..] } else { &json[..] };
            self.ask(&self.admin.clone(), ("POST", "/tasks"), headers, Some(&json!({"description": 5, "x": key})));
        }
        let port = self.stack.client.base().rsplit(':').next().expect("a port").parse().expect("a port");
        for raw in [
            format!("GET /tasks HTTP/1.1\r\nHost: x\r\nAuthorization : {bearer}\r\n\r\n"),
            format!("GET /tasks HTTP/1.1\r\nHost: {key}\r\nAuthorization: {bearer}\r\n{key}\r\n\r\n"),
            format!("{key} /tasks HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!(
                "POST /tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{{x}}"
            ),
        ] {
            let answer = exchange::send(port, raw.as_bytes());
            assert!([400, 405].contains(&answer.status), "{} {}", answer.status, answer.body);
            self.told.add("the answer to raw bytes", format!("{} {}", answer.head, answer.body));
        }
    }

    /// Requests that carry a key of their own, and letters that are chosen by a secret.
    pub fn change(&mut self) {
        let (admin, key) = (self.admin.clone(), self.keys[0].clone());
        let header = [("idempotency-key", IDEMPOTENCY_KEY)];
        for (body, status) in [(1, 202), (1, 202), (2, 422)] {
            assert_eq!(self.ask(&admin, ("POST", "/tasks"), &header, Some(&body::simulated(body))), status);
        }
        let both = json!({ "tasks": [body::simulated(1), {"description": 7, "x": key}] });
        assert_eq!(self.ask(&admin, ("POST", "/tasks/batch"), &[], Some(&both)), 200);
        for (action, more) in [("requeue", json!({"dry_run": false})), ("discard", json!({"dry_run": true}))] {
            let mut body = json!({ "matching": { "reason": key, "kind": key, "task_id": key } });
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            assert_eq!(self.ask_as_admin("POST", &format!("/dead-letters/{action}"), Some(&body)), 200);
        }
    }

    /// One endpoint that answers in the end, and one that is not there.
    pub fn deliver(&mut self, receiver: &Receiver, nobody: &str) {
        for host in [receiver.address(), nobody.to_owned()] {
            let made = self.admin.post("/webhooks", &json!({ "url": format!("http://{host}/in?token={URL_TOKEN}") }));
            assert_eq!(made.status, 201, "{}", made.body);
            let path = format!("/webhooks/{}/rotate-secret", made.json()["webhook_id"].as_str().expect("an id"));
            let turned = self.admin.post(&path, &json!({}));
            for answer in [made, turned] {
                self.webhooks.push(answer.json()["secret"].as_str().expect("a secret").to_owned());
            }
        }
        let miller = json!({ "url": format!("http://miller:{URL_TOKEN}@{}/in", receiver.address()) });
        assert_eq!(self.ask_as_admin("POST", "/webhooks", Some(&miller)), 422);
        let secret = self.webhooks[0].clone();
        assert_eq!(self.ask_as_admin("POST", &format!("/webhooks/{secret}/rotate-secret"), None), 404);
        self.admin.submit(&body::simulated(1));
        eventually(SOON, "it is refused and then taken", || (receiver.deliveries().len() >= 2).then_some(()));
        eventually(SOON, "both have failed once", || {
            let events = format!(
                "{:?}",
                self.stack.redis.command(&["XRANGE", "events", "-", "+"]).items().iter().map(facts).collect::<Vec<_>>()
            );
            (events.matches(" retrying ").count() >= 2).then_some(())
        });
    }

    /// Another password meanwhile, and then no Redis at all.
    pub fn lose_redis(&mut self) {
        let redis = &self.stack.redis;
        redis.command(&["CONFIG", "SET", "requirepass", "another"]);
        redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        self.stack.orchestrator.wait_line(SOON, "WRONGPASS");
        self.ask_as_admin("GET", "/tasks", None);
        self.stack.redis.kill();
        self.ask_as_admin("POST", "/tasks", Some(&body::simulated(1)));
        self.run(&["audit"]);
        self.stack.redis.restart().expect("redis starts again");
        eventually(SOON, "the API is ready", || (self.admin.get("/ready").status == 200).then_some(()));
    }

    /// Everything that shows something.
    pub fn look(&mut self) {
        for path in ["/", "/health", "/livez", "/ready?verbose", "/metrics", "/docs", "/redoc", "/openapi.json"] {
            assert_eq!(self.ask(&self.stack.client.clone(), ("GET", path), &[], None), 200, "{path}");
        }
        for path in ["/tasks", "/streams", "/workers", "/kinds", "/dead-letters", "/webhooks"] {
            assert_eq!(self.ask_as_admin("GET", path, None), 200, "{path}");
        }
        for port in self.ports {
            let answer = Client::new(port).get("/metrics");
            assert_eq!(answer.status, 200);
            self.told.add(&format!("/metrics of {port}"), answer.body);
        }
        for command in [&["audit"][..], &["audit", "--repair"], &["rebuild"], &["redis-cli", "PING"], &["settings"]] {
            self.run(command);
        }
        for role in ["up", "orchestrator", "worker", "projector", "keys", "audit", "submit"] {
            self.run(&[role, "--help"]);
        }
        self.stack.add_projector(); // and once more what a start says
        self.stack.projectors[1].wait_line(SOON, "REDIS_URL=redis://***@");
        self.be_client();
    }

    /// The client half of the command line, with the right key, with a wrong one, and where there is nobody.
    fn be_client(&mut self) {
        let (base, key) = (self.stack.client.base().to_owned(), self.keys[0].clone());
        let nobody = format!("http://miller:{URL_TOKEN}@127.0.0.1:{}/", free_port());
        for (url, key) in [(&base, key.clone()), (&base, format!("{key}x")), (&nobody, key)] {
            let settings: Settings = [("MILLSTREAM_URL", url.clone()), ("MILLSTREAM_API_KEY", key)]
                .map(|(name, it)| (name.into(), it))
                .into();
            for arguments in [&["submit", "an api"][..], &["dead-letters", "list"], &["get", "x"], &["get", "--help"]] {
                self.told.add_command(&arguments.join(" "), &run(arguments, &settings, self.stack.directory()));
            }
        }
    }
}

/// The facts of an entry of the log.
fn facts(entry: &Reply) -> String {
    entry.items()[1].items().iter().map(Reply::text).collect::<Vec<_>>().join("\n")
}
