//! The scripts as data: name, source with the shared prelude in front (and what those about a task as a whole share),
//! digest.

use fred::types::scripts::Script;
use std::sync::LazyLock;

/// One atomic transition.
pub struct LuaScript {
    /// The file's name without its extension.
    pub name: &'static str,
    /// Prelude, `task.lua` for those about a task as a whole, and the file, one after the other.
    pub source: String,
    /// SHA-1 of the source in hex: the script's name in EVALSHA.
    pub digest: String,
}

const PRELUDE: &str = include_str!("../lua/prelude.lua");
const TASK: &str = include_str!("../lua/task.lua");

impl LuaScript {
    fn new(name: &'static str, parts: &[&str]) -> Self {
        let source = parts.concat();
        let digest = Script::from_lua(source.as_str()).sha1().to_string();
        Self { name, source, digest }
    }
}

macro_rules! scripts {
    ($($static:ident = $name:literal $(over $library:ident)?,)+) => {
        $(pub(crate) static $static: LazyLock<LuaScript> = LazyLock::new(|| {
            LuaScript::new($name, &[PRELUDE, $($library,)? include_str!(concat!("../lua/", $name, ".lua"))])
        });)+

        /// Every script, in the order of a task's path.
        pub fn all() -> Vec<&'static LuaScript> {
            vec![$(&*$static),+]
        }
    };
}

scripts! {
    SUBMIT = "submit",
    START = "start",
    SETTLE = "settle",
    RETRY = "retry",
    BURY = "bury",
    HAND_BACK = "hand_back",
    REAP = "reap",
    PROMOTE = "promote",
    FOLD = "fold" over TASK,
    CANCEL = "cancel" over TASK,
    REQUEUE = "requeue" over TASK,
    EXHUME = "exhume",
    COLLECT_CONSUMER = "collect_consumer",
    REOPEN = "reopen" over TASK,
    RECOUNT = "recount" over TASK,
    RELIST = "relist" over TASK,
    ADOPT = "adopt",
    EXORCISE = "exorcise",
    UNDELAY = "undelay",
    RETELL = "retell" over TASK,
    RESTORE = "restore",
    EXPIRE = "expire",
    THROTTLE = "throttle",
    NOTE = "note",
    KEEP = "keep",
}
