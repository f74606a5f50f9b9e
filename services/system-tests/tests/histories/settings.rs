//! How many histories, how long, from which seed.

/// What the environment asks for.
pub struct Settings {
    /// The seed of the first history; each further one adds 1.
    pub seed: u64,
    /// Steps of a history.
    pub steps: u64,
    /// How many histories.
    pub count: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, steps: 1_500, count: 4 }
    }
}

impl Settings {
    /// `HISTORIES_SEED`, `HISTORIES_STEPS` and `HISTORIES_COUNT`; a seed alone means that one history.
    pub fn read() -> Self {
        let read = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text} is no number")))
        };
        let (default, seed) = (Self::default(), read("HISTORIES_SEED"));
        let count = read("HISTORIES_COUNT").unwrap_or(if seed.is_some() { 1 } else { default.count });
        Self { seed: seed.unwrap_or(default.seed), steps: read("HISTORIES_STEPS").unwrap_or(default.steps), count }
    }

    /// The seeds of the histories.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        self.seed..self.seed + self.count
    }
}
