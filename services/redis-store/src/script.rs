//! The scripts as data: name, source with the shared prelude in front, and digest.

use fred::types::scripts::Script;
use std::sync::LazyLock;

/// One atomic transition.
pub struct LuaScript {
    /// The file's name without its extension.
    pub name: &'static str,
    /// Prelude and file, one after the other.
    pub source: String,
    /// SHA-1 of the source in hex: the script's name in EVALSHA.
    pub digest: String,
}

macro_rules! scripts {
    ($($static:ident = $name:literal,)+) => {
        $(pub(crate) static $static: LazyLock<LuaScript> = LazyLock::new(|| {
            let source = concat!(include_str!("../lua/prelude.lua"), include_str!(concat!("../lua/", $name, ".lua")));
            let digest = Script::from_lua(source).sha1().to_string();
            LuaScript { name: $name, source: source.to_owned(), digest }
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
    FOLD = "fold",
    CANCEL = "cancel",
    REQUEUE = "requeue",
    EXHUME = "exhume",
    COLLECT_CONSUMER = "collect_consumer",
    RECOUNT = "recount",
    EXPIRE = "expire",
}
