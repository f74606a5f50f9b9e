//! A small file system of its own for Redis, which a fault can fill. It lives in memory: what it holds is copied before
//! it goes, and its folder can be removed after.

use crate::error::{ChaosError, io};
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: &str = "size=192m";

/// One that is mounted.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts it; only root may.
    pub fn mount(at: &Path) -> Result<Self, ChaosError> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "chaos"]).arg(at).output();
        match mounted.map_err(io("starting mount"))?.status.success() {
            true => Ok(Self(at.to_owned())),
            false => Err(ChaosError::Setup("the profile diskfull needs root, to mount a small disk".to_owned())),
        }
    }

    /// Takes it away and leaves a copy of what it held in its place.
    pub fn give_back(self) -> Result<(), ChaosError> {
        let (at, kept) = (self.0.clone(), self.0.with_extension("kept"));
        copy(&at, &kept).map_err(io("copying what was on the disk of Redis"))?;
        drop(self);
        std::fs::remove_dir(&at).map_err(io("removing the mount point of the disk of Redis"))?;
        std::fs::rename(&kept, &at).map_err(io("putting a copy in the place of the disk of Redis"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_on_a_disk_stays_when_it_is_given_back_and_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("redis");
        std::fs::create_dir(&at).unwrap();
        match Disk::mount(&at) {
            Ok(disk) => {
                std::fs::create_dir(at.join("appendonlydir")).unwrap();
                std::fs::write(at.join("appendonlydir/a.aof"), "facts").unwrap();
                disk.give_back().unwrap();
                assert_eq!(std::fs::read_to_string(at.join("appendonlydir/a.aof")).unwrap(), "facts");
                std::fs::remove_dir_all(&at).unwrap();
            }
            Err(error) => assert!(error.to_string().contains("needs root"), "{error}"),
        }
    }
}
