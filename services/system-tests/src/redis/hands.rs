//! The hands of a server's clock: a library loaded before libc, built by the C compiler of the machine, and the file in
//! which it reads how far it is to lie.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../../../chaos/shim/shim.c");

/// A built library and its clock; both go when it is dropped.
pub struct Hands {
    _folder: tempfile::TempDir,
    library: PathBuf,
    clock: PathBuf,
}

impl Hands {
    /// Builds them; fails without a C compiler.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [source, library, clock] = ["shim.c", "shim.so", "clock"].map(|name| folder.path().join(name));
        std::fs::write(&source, SOURCE)?;
        std::fs::write(&clock, [0; 8])?;
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut build = Command::new(compiler);
        let built = build.args(["-O1", "-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").output()?;
        match built.status.success() {
            true => Ok(Self { _folder: folder, library, clock }),
            false => Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned())),
        }
    }

    /// What a server needs in its environment.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("CHAOS_CLOCK", &self.clock)]
    }

    /// Turns the clock to be off by `ms`. The server has mapped the file: it must not shrink on the way.
    pub fn turn(&self, ms: i64) {
        use std::os::unix::fs::FileExt;
        let clock = std::fs::OpenOptions::new().write(true).open(&self.clock).expect("the clock's file");
        clock.write_all_at(&(ms * 1_000).to_ne_bytes(), 0).expect("a turned clock");
    }
}
