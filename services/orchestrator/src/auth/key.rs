//! An API key: `ms_<id>_<secret>`, the id 16 letters and digits, the secret 32 random bytes in hex. Of the secret only
//! the digest is kept, so that whoever reads Redis cannot ask as somebody else.

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
        let (id, secret) = (random::<ID_BYTES>()?, random::<SECRET_BYTES>()?);
        let scopes = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        let (name, digest) = (name.to_owned(), digest(&secret));
        let (old_digest, old_until_ms) = (None, None);
        let kept = ApiKey { name, digest, scopes, created_at_ms, expires_at_ms, old_digest, old_until_ms };
        Some(Self { credentials: format!("{PREFIX}{id}_{secret}"), id, kept })
    }

    /// Gives a key another secret; the one that it has opens until `old_until_ms` too, and the one before no more. Who
    /// it stands for stays the same: its allowance, its idempotency keys, its name in the audit.
    pub fn again(id: &str, kept: ApiKey, old_until_ms: u64) -> Option<Self> {
        let secret = random::<SECRET_BYTES>()?;
        let old_digest = Some(kept.digest);
        let kept = ApiKey { digest: digest(&secret), old_digest, old_until_ms: Some(old_until_ms), ..kept };
        Some(Self { credentials: format!("{PREFIX}{id}_{secret}"), id: id.to_owned(), kept })
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

/// The client of a key, if the secret is the one that it was made with and its time is not over. Without a key it takes
/// as long to say no.
pub fn client(id: &str, secret: &str, kept: Option<&ApiKey>, now_ms: u64) -> Option<Client> {
    let nobodys = "0".repeat(64);
    let expected = kept.map_or(nobodys.as_str(), |key| key.digest.as_str());
    let old = kept.filter(|key| key.old_until_ms.is_some_and(|ms| now_ms < ms));
    let old = old.and_then(|key| key.old_digest.as_deref()).unwrap_or(&nobodys);
    let digest = digest(secret);
    let is_right: bool =
        (digest.as_bytes().ct_eq(expected.as_bytes()) | digest.as_bytes().ct_eq(old.as_bytes())).into();
    let key = kept.filter(|key| is_right && key.expires_at_ms.is_none_or(|ms| now_ms < ms))?;
    let scopes = key.scopes.iter().filter_map(|word| Scope::read(word)).collect();
    Some(Client { name: format!("key:{id}"), scopes })
}

/// So many bytes in hex, if the system gives any.
fn random<const BYTES: usize>() -> Option<String> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex(&bytes))
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
    fn another_secret_opens_at_once_and_the_one_before_for_a_while() {
        let first = NewKey::make("ci", &[Scope::Write], 5, None).unwrap();
        let second = NewKey::again(&first.id, first.kept.clone(), 100).unwrap();
        let third = NewKey::again(&first.id, second.kept.clone(), 100).unwrap();
        let opens = |key: &NewKey, kept: &ApiKey, now_ms| {
            client(&first.id, split(&key.credentials).unwrap().1, Some(kept), now_ms).is_some()
        };
        assert!(opens(&second, &second.kept, 99) && opens(&first, &second.kept, 99));
        assert!(opens(&second, &second.kept, 100) && !opens(&first, &second.kept, 100), "its while is over");
        assert!(opens(&third, &third.kept, 99) && opens(&second, &third.kept, 99) && !opens(&first, &third.kept, 99));
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
