//! What the derived document leaves out or writes otherwise.

use super::node::Node;
use super::responses::Shared;
use super::{examples, links, parameters, responses, schemas};
use crate::routes::scope::Scope;
use serde_json::json;

/// The typed door is documented with its slash, which the derived routes cannot have.
const PATH: (&str, &str) = ("/assign-task", "/assign-task/");

/// The order in which people read them; the derived document has that of the alphabet.
const TAGS: [&str; 7] = ["Tasks", "Typed", "Events", "Dead letters", "Webhooks", "Operations", "System"];

/// The document of the service, made of the derived one.
pub fn amend(derived: &str) -> String {
    let mut document: Node = serde_json::from_str(derived).expect("the derived document is JSON");
    let schemas = document.at_mut(&["components", "schemas"]).cloned().unwrap_or(Node::List(Vec::new()));
    let shared = Shared { examples: responses::shared_examples(), schemas };
    if let Some(Node::Object(paths)) = document.get_mut("paths") {
        for (path, methods) in paths {
            if path == PATH.0 {
                PATH.1.clone_into(path);
            }
            methods.fields_mut().iter_mut().for_each(|(_, operation)| complete(operation, &shared));
        }
    }
    if let Some(Node::List(tags)) = document.get_mut("tags") {
        tags.sort_by_key(|tag| TAGS.iter().position(|known| tag.text("name") == Some(known)));
    }
    document.set("openapi", "3.0.3");
    document.set("security", json!([{}, { "bearer": [] }]));
    if let Some(components) = document.get_mut("components") {
        if let Some(schemas) = components.get_mut("schemas") {
            schemas::complete(schemas);
        }
        components.set("headers", responses::shared_headers());
        components.set("examples", shared.examples);
        components.set_first("securitySchemes", security_schemes());
    }
    serde_json::to_string_pretty(&document).expect("a document has string keys and cannot fail to serialise") + "\n"
}

fn complete(operation: &mut Node, shared: &Shared) {
    let scope = Scope::of(operation.text("operationId").unwrap_or_default());
    if scope == Scope::Open {
        operation.set("security", json!([])); // these ask nobody
    }
    parameters::shape(operation);
    responses::complete(operation, scope, shared);
    examples::add(operation);
    links::add(operation);
}

/// How clients say who they are, where they are asked.
fn security_schemes() -> serde_json::Value {
    json!({ "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `millstream keys create` prints it, or a signed token; only where AUTH is set.",
    } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::document;
    use crate::routes::operation;
    use serde_json::Value;

    fn parsed() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    fn operations(document: &Value) -> Vec<&Value> {
        let paths = document["paths"].as_object().unwrap();
        paths.values().flat_map(|methods| methods.as_object().unwrap().values()).collect()
    }

    #[test]
    fn every_document_of_a_client_is_closed_and_names_what_belongs_together() {
        let json = parsed();
        for name in schemas::CLOSED {
            assert_eq!(json["components"]["schemas"][name]["additionalProperties"], false, "{name}");
        }
        for (name, variants) in [("LetterRequeue", 2), ("LetterDiscard", 4)] {
            let one_of = json["components"]["schemas"][name]["oneOf"].as_array().map(Vec::len);
            assert_eq!(one_of, Some(variants), "{name}");
        }
    }

    #[test]
    fn tags_stand_in_the_order_of_reading_and_each_has_operations() {
        let json = parsed();
        let tags: Vec<&str> =
            json["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
        assert_eq!(tags, TAGS);
        let used: std::collections::BTreeSet<&str> =
            operations(&json).iter().map(|it| it["tags"][0].as_str().unwrap()).collect();
        assert_eq!(used, TAGS.into());
    }

    #[test]
    fn what_is_open_asks_nobody_and_the_rest_asks_for_a_bearer() {
        let json = parsed();
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(json["security"][1]["bearer"], json!([]));
        for described in operations(&json) {
            let id = described["operationId"].as_str().unwrap();
            let is_open = operation::all().iter().any(|known| known.id == id && known.scope == Scope::Open);
            assert_eq!(described["security"] == json!([]), is_open, "{id}");
        }
    }

    #[test]
    fn parameters_say_their_shape() {
        let json = parsed();
        let mut seen = 0;
        for described in operations(&json) {
            for parameter in described["parameters"].as_array().into_iter().flatten() {
                let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
                let is_free = ["Prefer", "If-None-Match", "reason"].contains(&name);
                let is_filter = described["operationId"] == "list_dead_letters" && ["kind", "task_id"].contains(&name);
                let bounds = ["pattern", "minimum", "format", "minLength"];
                let is_bounded = bounds.iter().any(|bound| !schema[bound].is_null());
                assert_eq!(is_bounded, !is_free && !is_filter, "{name} of {}", described["operationId"]);
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn headers_and_paths_have_their_own_names() {
        let json = parsed();
        let accepted = &json["paths"]["/tasks"]["post"]["responses"]["202"]["headers"];
        for name in ["Location", "ETag", "X-Request-Id"] {
            assert!(accepted[name].is_object(), "{name}");
        }
        assert!(json["paths"]["/assign-task/"]["post"].is_object());
    }
}
