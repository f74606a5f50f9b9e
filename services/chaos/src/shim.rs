//! The library that lies to Redis about the time and tells us what it has synced: built at the start of a run by the C
//! compiler of the machine, read and written through two small files.

use crate::clock::{Moment, now};
use crate::error::{ChaosError, io};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../shim/shim.c");
const SLOTS: u64 = 4_096;
/// A size and a moment.
const SLOT_BYTES: usize = 16;
const ENDING: &str = ".incr.aof";

/// The built library and its files.
pub struct Shim {
    library: PathBuf,
    clock: PathBuf,
    synced: PathBuf,
}

/// What a simulated power loss took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Torn {
    /// Bytes that had been written but not synced.
    pub bytes: u64,
    /// Append-only files that may lose something: one, or none.
    pub files: u64,
    /// What was written after that may be among them; `None` if nobody knows.
    pub since: Option<Moment>,
}

impl Shim {
    /// Builds it in `folder`; without a C compiler there is no power loss and no clock jump, so no run either.
    pub fn build(folder: &Path) -> Result<Self, ChaosError> {
        let shim = Self {
            library: folder.join("shim.so"),
            clock: folder.join("shim.clock"),
            synced: folder.join("shim.synced"),
        };
        let source = folder.join("shim.c");
        std::fs::write(&source, SOURCE).map_err(io("writing the shim"))?;
        std::fs::write(&shim.clock, [0; 8]).map_err(io("writing the shim's clock"))?;
        std::fs::write(&shim.synced, vec![0; SLOTS as usize * SLOT_BYTES]).map_err(io("writing the shim's slots"))?;
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(&compiler)
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&shim.library, &source])
            .arg("-ldl")
            .output()
            .map_err(io(format!("starting the C compiler {}", compiler.display())))?;
        if built.status.success() {
            Ok(shim)
        } else {
            Err(ChaosError::Setup(format!("the shim does not build: {}", String::from_utf8_lossy(&built.stderr))))
        }
    }

    /// What a server needs in its environment.
    pub fn environment(&self) -> [(&'static str, &Path); 3] {
        [("LD_PRELOAD", &self.library), ("CHAOS_CLOCK", &self.clock), ("CHAOS_SYNCED", &self.synced)]
    }

    /// How far the server's wall clock is off, in ms.
    pub fn offset_ms(&self) -> Result<i64, ChaosError> {
        let mut bytes = [0; 8];
        let file = std::fs::File::open(&self.clock).map_err(io("opening the shim's clock"))?;
        file.read_exact_at(&mut bytes, 0).map_err(io("reading the shim's clock"))?;
        Ok(i64::from_ne_bytes(bytes) / 1_000)
    }

    /// Turns the server's wall clock to be off by this much.
    pub fn set_offset_ms(&self, ms: i64) -> Result<(), ChaosError> {
        let file = OpenOptions::new().write(true).open(&self.clock).map_err(io("opening the shim's clock"))?;
        file.write_all_at(&(ms * 1_000).to_ne_bytes(), 0).map_err(io("writing the shim's clock"))
    }

    /// Cuts the newest append-only file in `folder` to what was synced of it; its server must have ended. The others
    /// were closed when it was begun, and a server does not start if one of them is short.
    pub fn lose_power(&self, folder: &Path) -> Result<Torn, ChaosError> {
        let slots = std::fs::read(&self.synced).map_err(io("reading the shim's slots"))?;
        let files = std::fs::read_dir(folder).map_err(io("listing the append-only files"))?.flatten();
        let newest = files.filter_map(|file| Some((number_of(&file.path())?, file.path()))).max();
        let Some((number, path)) = newest else { return Ok(Torn::default()) };
        let at = (number % SLOTS) as usize * SLOT_BYTES;
        let word =
            |at: usize| slots.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
        let (synced, moment) = (word(at), word(at + 8));
        let file = OpenOptions::new().write(true).open(&path).map_err(io("opening an append-only file"))?;
        let about = file.metadata().map_err(io("measuring an append-only file"))?;
        let bytes = about.len().saturating_sub(synced);
        if bytes > 0 {
            file.set_len(synced).map_err(io("cutting an append-only file"))?;
        }
        let age = || about.created().ok()?.elapsed().ok();
        let since = match moment {
            _ if bytes == 0 => Some(now()),
            0 => age().map(|age| now().saturating_sub(age.as_millis() as u64)), // never synced: since it was begun
            moment => Some(moment),
        };
        Ok(Torn { bytes, files: 1, since })
    }
}

/// N of `….N.incr.aof`.
fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(ENDING)?.rsplit('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_file_is_cut_to_what_its_slot_says_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::build(folder.path()).unwrap();
        let [older, newest, base] = ["9.incr.aof", "10.incr.aof", "11.base.rdb"]
            .map(|name| folder.path().join(format!("appendonly.aof.{name}")));
        for file in [&older, &newest, &base] {
            std::fs::write(file, "0123456789").unwrap();
        }
        let begun = shim.lose_power(folder.path()).unwrap();
        assert_eq!(begun.bytes, 10);
        assert!(begun.since.unwrap() + 60_000 > now(), "it was never synced");
        std::fs::write(&newest, "0123456789").unwrap();
        let slots = OpenOptions::new().write(true).open(&shim.synced).unwrap();
        slots.write_all_at(&[4_u64.to_ne_bytes(), 77_u64.to_ne_bytes()].concat(), 160).unwrap();
        let torn = shim.lose_power(folder.path()).unwrap();
        assert_eq!((torn.bytes, torn.files, torn.since), (6, 1, Some(77)));
        assert_eq!(std::fs::read_to_string(&newest).unwrap(), "0123");
        for file in [older, base] {
            assert_eq!(std::fs::read_to_string(file).unwrap(), "0123456789");
        }
    }

    #[test]
    fn a_process_under_it_sees_the_turned_clock_and_confesses_its_syncs() {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::build(folder.path()).unwrap();
        shim.set_offset_ms(-3_600_000).unwrap();
        assert_eq!(shim.offset_ms().unwrap(), -3_600_000);
        let seconds = |command: &mut Command| -> i64 {
            let out = command.args(["+%s"]).output().unwrap().stdout;
            String::from_utf8(out).unwrap().trim().parse().unwrap()
        };
        let (mine, turned) =
            (seconds(&mut Command::new("date")), seconds(Command::new("date").envs(shim.environment())));
        assert!((mine - turned - 3_600).abs() < 30, "{mine} {turned}");
        let aof = folder.path().join("a.3.incr.aof");
        let dd = ["if=/dev/zero", &format!("of={}", aof.display()), "bs=100", "count=1", "conv=fdatasync"];
        assert!(Command::new("dd").args(dd).envs(shim.environment()).output().unwrap().status.success());
        let synced_at = now();
        assert_eq!(shim.lose_power(folder.path()).unwrap().bytes, 0);
        std::fs::write(&aof, vec![0; 150]).unwrap();
        let torn = shim.lose_power(folder.path()).unwrap();
        assert_eq!(torn.bytes, 50);
        assert!((synced_at - 10_000..=synced_at).contains(&torn.since.unwrap()), "{torn:?} {synced_at}");
    }
}
