//! An API key: `ms_<id>_<secret>`, the id 16 letters and digits, the secret 32 random bytes in hex. Of the secret only the
//! digest is kept, so that whoever reads Redis cannot ask as somebody else.

use super::Client;
use crate::routes::scope::Scope;
use proto_schemas::ApiKey;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

const PREFIX: &str = "ms_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key that has just been made: the only time that its secret is known.
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// What a client sends.
    pub credentials: String,
    /// What is kept of it.
    pub kept: ApiKey,
}

impl NewKey {
    /// Makes a key; `None` if the system gives no randomness.
    pub fn make(name: &str, scopes: &[Scope], created_at_ms: u64, expires_at_ms: Option<u64>) -> Option<Self> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let (id, secret) = (hex(&bytes[..ID_BYTES]), hex(&bytes[ID_BYTES..]));
        let scopes = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        let kept = ApiKey { name: name.to_owned(), digest: digest(&secret), scopes, created_at_ms, expires_at_ms };
        Some(Self { credentials: format!("{PREFIX}{id}_{secret}"), id, kept })
    }
}

/// Id and secret of credentials that look like a key.
pub fn split(credentials: &str) -> Option<(&str, &str)> {
    let (id, secret) = credentials.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str, bytes: usize| {
        text.len() == 2 * bytes && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    (is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES)).then_some((id, secret))
}

/// The client of a key, if the secret is the one that it was made with and its time is not over. Without a key it takes as
/// long to say no.
pub fn client(id: &str, secret: &str, kept: Option<&ApiKey>, now_ms: u64) -> Option<Client> {
    let nobodys = "0".repeat(64);
    let expected = kept.map_or(nobodys.as_str(), |key| key.digest.as_str());
    let is_right: bool = digest(secret).as_bytes().ct_eq(expected.as_bytes()).into();
    let key = kept.filter(|key| is_right && key.expires_at_ms.is_none_or(|ms| now_ms < ms))?;
    let scopes = key.scopes.iter().filter_map(|word| Scope::read(word)).collect();
    Some(Client { name: format!("key:{id}"), scopes })
}

fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_for_its_own_secret_and_for_its_time() {
        let new = NewKey::make("ci", &[Scope::Write], 5, Some(100)).unwrap();
        let (id, secret) = split(&new.credentials).unwrap();
        assert_eq!(id, new.id);
        assert!(!format!("{:?}", new.kept).contains(secret), "what is kept does not tell the secret");
        let expect = Client { name: format!("key:{id}"), scopes: vec![Scope::Write] };
        assert_eq!(client(id, secret, Some(&new.kept), 99), Some(expect));
        assert_eq!(client(id, secret, Some(&new.kept), 100), None, "its time is over");
        assert_eq!(client(id, secret, None, 99), None, "it was revoked");
        let other = NewKey::make("ci", &[Scope::Write], 5, None).unwrap();
        assert_eq!(client(id, split(&other.credentials).unwrap().1, Some(&new.kept), 99), None);
        assert_ne!(other.id, new.id);
    }

    #[test]
    fn what_does_not_look_like_a_key_is_none() {
        let whole = NewKey::make("ci", &[], 5, None).unwrap().credentials;
        assert!(split(&whole).is_some());
        for text in ["", "ms_", "ms_x_y", &whole[..whole.len() - 1], &whole.to_uppercase(), "a.b.c"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
