//! What a run is told.

use crate::error::{ChaosError, io};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the run promises and which faults belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `appendfsync always`, power loss included: nothing acknowledged may be lost.
    Always,
    /// `appendfsync everysec`: power loss may take what was acknowledged in the window before it.
    Everysec,
    /// Someone empties Redis: what was there before is lost, and named.
    Flushall,
    /// The disk of Redis is full for a while; needs root, for a file system of its own.
    Diskfull,
}

impl Profile {
    const ALL: [Self; 4] = [Self::Always, Self::Everysec, Self::Flushall, Self::Diskfull];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::Flushall => "flushall",
            Self::Diskfull => "diskfull",
        }
    }

    /// Whether Redis keeps all it has acknowledged: then a copy of the log, made while it was written, is the log.
    pub fn is_lossless(self) -> bool {
        matches!(self, Self::Always | Self::Diskfull)
    }

    /// The value of `appendfsync`.
    pub fn appendfsync(self) -> &'static str {
        if self == Self::Everysec { "everysec" } else { "always" }
    }
}

/// Settings of one run.
#[derive(Debug, Clone)]
pub struct Options {
    /// From which everything is drawn.
    pub seed: u64,
    /// How long faults are inflicted.
    pub duration: Duration,
    /// What is promised.
    pub profile: Profile,
    /// Subtasks submitted in a second.
    pub rate: f64,
    /// The binary under test.
    pub millstream: PathBuf,
    /// This program, as the processes it starts are to find it.
    pub chaos: PathBuf,
    /// Where ledgers, logs and data of the run go.
    pub folder: PathBuf,
    /// Whether the folder is kept although the run is green.
    pub is_kept: bool,
}

/// The words behind the program's name as names and values: `--name value`.
pub fn pairs(words: &[String]) -> Result<Vec<(&str, &str)>, ChaosError> {
    words
        .chunks(2)
        .map(|pair| match pair {
            [name, value] => name.strip_prefix("--").map(|name| (name, value.as_str())),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| ChaosError::Usage("every option is --name value".to_owned()))
}

/// Reads one value.
pub fn parse<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, ChaosError> {
    value.parse().map_err(|_| ChaosError::Usage(format!("--{name} cannot be {value:?}")))
}

impl Options {
    /// Reads the command line of `run`; what is not said is drawn or found beside this program.
    pub fn read(words: &[String]) -> Result<Self, ChaosError> {
        let program = std::env::current_exe().unwrap_or_default();
        let mut options = Self {
            seed: fastrand::u64(..1_000_000_000),
            duration: Duration::from_secs(240),
            profile: Profile::Always,
            rate: 60.0,
            millstream: program.with_file_name("millstream"),
            chaos: program,
            folder: PathBuf::new(),
            is_kept: false,
        };
        for (name, value) in pairs(words)? {
            match name {
                _ if value.is_empty() => {} // make hands on variables that nobody set
                "seed" => options.seed = parse(name, value)?,
                "duration" => options.duration = Duration::from_secs(parse(name, value)?),
                "profile" => {
                    let known = Profile::ALL.into_iter().find(|profile| profile.as_str() == value);
                    let unknown =
                        || ChaosError::Usage("--profile is always, everysec, flushall or diskfull".to_owned());
                    options.profile = known.ok_or_else(unknown)?;
                }
                "rate" => options.rate = parse(name, value)?,
                "millstream" => options.millstream = value.into(),
                "folder" => options.folder = value.into(),
                "keep" => options.is_kept = parse(name, value)?,
                _ => return Err(ChaosError::Usage(format!("there is no option --{name}"))),
            }
        }
        if options.folder == Path::new("") {
            let name = match options.profile {
                Profile::Always => options.seed.to_string(),
                other => format!("{}-{}", options.seed, other.as_str()),
            };
            options.folder = Path::new("target/chaos").join(name);
        }
        options.check()
    }

    /// Copies of both programs in `folder`: a build during a run must not change what is under test.
    pub fn with_programs_in(mut self, folder: &Path) -> Result<Self, ChaosError> {
        for (program, name) in [(&mut self.millstream, "millstream"), (&mut self.chaos, "chaos")] {
            let copy = folder.join(name);
            std::fs::copy(&program, &copy).map_err(io(format!("copying {name}")))?;
            *program = copy;
        }
        Ok(self)
    }

    fn check(self) -> Result<Self, ChaosError> {
        if !(self.rate > 0.0 && self.rate <= 10_000.0) {
            return Err(ChaosError::Usage("--rate is above 0 and at most 10000".to_owned()));
        }
        if !self.millstream.is_file() {
            let text = format!("there is no {}: build it, or name one with --millstream", self.millstream.display());
            return Err(ChaosError::Usage(text));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Options, ChaosError> {
        let program = std::env::current_exe().unwrap();
        let words = format!("--millstream {} {words}", program.display());
        Options::read(&words.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_said_holds_and_the_folder_is_named_after_the_seed() {
        let options = read("--seed 7 --duration 60 --profile everysec --rate 10.5").unwrap();
        assert_eq!((options.seed, options.duration.as_secs(), options.rate), (7, 60, 10.5));
        assert_eq!(options.profile, Profile::Everysec);
        assert!(options.folder.ends_with("chaos/7-everysec"));
    }

    #[test]
    fn nonsense_is_refused() {
        for words in ["--seed x", "--profile never", "--what 1", "--seed", "--rate 0"] {
            assert!(matches!(read(words), Err(ChaosError::Usage(_))), "{words}");
        }
    }
}
