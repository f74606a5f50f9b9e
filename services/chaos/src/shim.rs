//! The library that lies to Redis about the time and tells us what it has synced: built at the start of a run by the C
//! compiler of the machine, read and written through two small files.

use crate::error::{ChaosError, io};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../shim/shim.c");
const SLOTS: u64 = 4_096;
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
    /// Append-only files that were looked at.
    pub files: u64,
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
        std::fs::write(&shim.synced, vec![0; SLOTS as usize * 8]).map_err(io("writing the shim's slots"))?;
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

    /// Cuts every append-only file below `folder` to what was synced of it; its server must have ended.
    pub fn lose_power(&self, folder: &Path) -> Result<Torn, ChaosError> {
        let slots = std::fs::read(&self.synced).map_err(io("reading the shim's slots"))?;
        let mut torn = Torn::default();
        for file in std::fs::read_dir(folder).map_err(io("listing the append-only files"))?.flatten() {
            let Some(number) = number_of(&file.path()) else { continue };
            let at = (number % SLOTS) as usize * 8;
            let synced = slots[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
            let length = file.metadata().map_err(io("measuring an append-only file"))?.len();
            torn.files += 1;
            if length > synced {
                torn.bytes += length - synced;
                let file = OpenOptions::new().write(true).open(file.path());
                file.and_then(|file| file.set_len(synced)).map_err(io("cutting an append-only file"))?;
            }
        }
        Ok(torn)
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
    fn a_file_is_cut_to_what_its_slot_says_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::build(folder.path()).unwrap();
        let aof = folder.path().join("appendonly.aof.7.incr.aof");
        let base = folder.path().join("appendonly.aof.7.base.rdb");
        std::fs::write(&aof, "0123456789").unwrap();
        std::fs::write(&base, "0123456789").unwrap();
        OpenOptions::new().write(true).open(&shim.synced).unwrap().write_all_at(&4_u64.to_ne_bytes(), 56).unwrap();
        let torn = shim.lose_power(folder.path()).unwrap();
        assert_eq!((torn.bytes, torn.files), (6, 1));
        assert_eq!(std::fs::read_to_string(&aof).unwrap(), "0123");
        assert_eq!(std::fs::read_to_string(&base).unwrap(), "0123456789");
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
        assert_eq!(shim.lose_power(folder.path()).unwrap().bytes, 0);
        std::fs::write(&aof, vec![0; 150]).unwrap();
        assert_eq!(shim.lose_power(folder.path()).unwrap().bytes, 50);
    }
}
