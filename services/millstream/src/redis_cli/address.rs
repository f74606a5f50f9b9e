//! The parts of an address of Redis.

use crate::exit::Failure;
use secrecy::{ExposeSecret, SecretString};

/// Where to connect, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether over TLS.
    pub tls: bool,
    /// The index of the database.
    pub database: String,
    /// As whom, unless the default user.
    pub user: Option<String>,
    /// Never printed.
    pub password: Option<String>,
}

impl Address {
    /// Reads `redis[s]://[user:password@]host:port/db`.
    pub fn of(url: &SecretString) -> Result<Self, Failure> {
        let refusal = || Failure::setting("REDIS_URL", "the address of redis is not valid");
        let url: reqwest::Url = url.expose_secret().parse().map_err(|_| refusal())?;
        let filled = |text: &str| (!text.is_empty()).then(|| percent_decoded(text));
        let database = url.path().trim_start_matches('/');
        if !database.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refusal());
        }
        let host = url.host_str().ok_or_else(refusal)?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(6379),
            tls: url.scheme() == "rediss",
            database: database.to_owned(),
            user: filled(url.username()),
            password: url.password().and_then(filled),
        })
    }

    /// What redis-cli is told on its command line: everything but the password.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec!["-h".to_owned(), self.host.clone(), "-p".to_owned(), self.port.to_string()];
        if !self.database.is_empty() {
            flags.extend(["-n".to_owned(), self.database.clone()]);
        }
        if self.tls {
            flags.push("--tls".to_owned());
        }
        if let (Some(user), Some(_)) = (&self.user, &self.password) {
            flags.extend(["--user".to_owned(), user.clone()]);
        }
        flags
    }

    /// The commands before the first of the user's.
    pub fn greeting(&self) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut commands = Vec::new();
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => commands.push(words(&["AUTH", user, password])),
            (None, Some(password)) => commands.push(words(&["AUTH", password])),
            (_, None) => {}
        }
        if !self.database.is_empty() && self.database != "0" {
            commands.push(words(&["SELECT", &self.database]));
        }
        commands
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::of(&SecretString::from(url)).unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn an_address_is_taken_apart() {
        let full = address("rediss://app:p%40ss%2fw@redis.example:7000/3");
        assert_eq!(full.flags().join(" "), "-h redis.example -p 7000 -n 3 --tls --user app");
        assert_eq!(full.greeting(), [vec!["AUTH", "app", "p@ss/w"], vec!["SELECT", "3"]]);
        let plain = address("redis://[::1]");
        assert_eq!((plain.flags().join(" "), plain.greeting().len()), ("-h ::1 -p 6379".to_owned(), 0));
        assert_eq!(address("redis://:secret@h/0").greeting(), [["AUTH", "secret"]]);
    }

    #[test]
    fn a_bad_address_is_refused_without_its_password() {
        for url in ["redis://u:hunter2@h:x/0", "redis://u:hunter2@h/zero"] {
            let failure = Address::of(&SecretString::from(url)).err().unwrap().to_string();
            assert!(failure.starts_with("REDIS_URL: ") && !failure.contains("hunter2"), "{failure}");
        }
    }
}
