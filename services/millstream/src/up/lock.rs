//! One `up` for each directory, and where its Redis is.
//!
//! The lock is the kernel's, on `.millstream/up.pid`: it ends with the process however that ends, so nothing can be
//! stale. The file's text is the pid, for people and scripts.

use crate::exit::{Exit, Failure};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that `up` leaves in a directory.
pub const FOLDER: &str = ".millstream";
const PID_FILE: &str = "up.pid";
const URL_FILE: &str = "redis.url";
/// Whoever asks whether an `up` runs holds the lock for an instant.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The right to be the `up` of a directory; ends with the value.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    folder: PathBuf,
}

impl Lock {
    /// Takes the lock of the working directory, or says who holds it.
    pub fn acquire() -> anyhow::Result<Self> {
        Self::acquire_in(Path::new(FOLDER))
    }

    fn acquire_in(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let path = folder.join(PID_FILE);
        for _ in 0..TRIES {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                // Another one may have removed the file between our opening and our locking it.
                Ok(()) if is_at(&file, &path) => {
                    file.set_len(0)?;
                    writeln!(file, "{}", std::process::id())?;
                    return Ok(Self { _file: file, folder: folder.to_owned() });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error).context("locking up.pid"),
            }
        }
        let pid = std::fs::read_to_string(&path).unwrap_or_default();
        let why = format!("`up` runs here already, as process {}; end that one first", pid.trim());
        Err(Failure::new(Exit::Failed, why).into())
    }

    /// Tells other commands in this directory where the private Redis is; for the eyes of this user.
    pub fn publish(&self, url: &SecretString) -> anyhow::Result<()> {
        let path = self.folder.join(URL_FILE);
        let _ = std::fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", url.expose_secret()).with_context(|| format!("writing {}", path.display()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.join(URL_FILE));
        let _ = std::fs::remove_file(self.folder.join(PID_FILE));
    }
}

/// The private Redis of the `up` that runs in the working directory, if one does and has one.
pub fn private_redis() -> Option<SecretString> {
    private_redis_in(Path::new(FOLDER))
}

fn private_redis_in(folder: &Path) -> Option<SecretString> {
    let held = File::open(folder.join(PID_FILE)).ok()?.try_lock_shared();
    if !matches!(held, Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut text = String::new();
    match File::open(folder.join(URL_FILE)).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => Some(SecretString::from(text.trim())),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => None,
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |at: std::fs::Metadata, held: std::fs::Metadata| (at.dev(), at.ino()) == (held.dev(), held.ino());
    std::fs::metadata(path).is_ok_and(|at| file.metadata().is_ok_and(|held| same(at, held)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_up_whatever_an_earlier_one_left() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PID_FILE), "1\n").unwrap();
        let lock = Lock::acquire_in(folder.path()).unwrap();
        let message = Lock::acquire_in(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(lock);
        Lock::acquire_in(folder.path()).unwrap();
    }

    #[test]
    fn the_private_redis_is_known_while_up_runs() {
        let folder = tempfile::tempdir().unwrap();
        let url = || private_redis_in(folder.path()).map(|url| url.expose_secret().to_owned());
        assert_eq!(url(), None);
        let lock = Lock::acquire_in(folder.path()).unwrap();
        assert_eq!(url(), None);
        lock.publish(&SecretString::from("redis://127.0.0.1:7/0")).unwrap();
        assert_eq!(url().as_deref(), Some("redis://127.0.0.1:7/0"));
        let mode = std::fs::metadata(folder.path().join(URL_FILE)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert_eq!(url(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
