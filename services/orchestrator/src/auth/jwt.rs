//! Signed tokens (RFC 7519): HS256 by a shared secret or RS256 by a public key, whichever the settings name, and no
//! other algorithm whatever the token says. `exp`, `aud` and `sub` are required, `nbf` holds where it stands; clocks
//! may differ by thirty seconds. What the client may do is `scope`, words separated by spaces.

use super::Client;
use crate::routes::scope::Scope;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const LEEWAY_SECONDS: u64 = 30;
/// A shorter secret can be guessed (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;
const SUBJECT_CHARS_MAX: usize = 64;

/// How tokens are checked.
#[derive(Clone)]
pub struct JwtConfig {
    algorithm: Algorithm,
    key: DecodingKey,
    audience: String,
    issuer: Option<String>,
}

/// Why tokens cannot be checked like that.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// It can be guessed.
    #[error("must have at least 32 bytes")]
    Secret,
    /// It is not one.
    #[error("is not an RSA public key in PEM")]
    PublicKey,
}

/// What a token says, as far as anybody looks.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    scope: String,
    /// Checked by the library, which passes over what is no number: so it has to be one.
    #[serde(default)]
    #[allow(dead_code)]
    nbf: Option<f64>,
}

/// The judge of tokens.
pub struct Verifier {
    config: JwtConfig,
    validation: Validation,
}

impl JwtConfig {
    /// By a secret that the issuer has too.
    pub fn hs256(secret: &SecretString, audience: String, issuer: Option<String>) -> Result<Self, JwtError> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(JwtError::Secret);
        }
        Ok(Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret), audience, issuer })
    }

    /// By the issuer's public key, in PEM.
    pub fn rs256(pem: &[u8], audience: String, issuer: Option<String>) -> Result<Self, JwtError> {
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| JwtError::PublicKey)?;
        Ok(Self { algorithm: Algorithm::RS256, key, audience, issuer })
    }
}

impl std::fmt::Debug for JwtConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtConfig").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Verifier {
    /// The judge of these settings.
    pub fn new(config: JwtConfig) -> Self {
        let mut validation = Validation::new(config.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        Self { config, validation }
    }

    /// Who sends this token, if it holds.
    pub fn client(&self, token: &str) -> Option<Client> {
        let claims = decode::<Claims>(token, &self.config.key, &self.validation).ok()?.claims;
        let scopes = claims.scope.split(' ').filter_map(Scope::read).collect();
        Some(Client { name: format!("jwt:{}", plain(&claims.sub)), scopes })
    }
}

/// A subject as it may stand in a key of Redis and in the audit; another one is told by its digest.
fn plain(subject: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_.-@".contains(char);
    match (1..=SUBJECT_CHARS_MAX).contains(&subject.len()) && subject.chars().all(is_plain) {
        true => subject.to_owned(),
        false => Sha256::digest(subject).iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::{Value, json};

    const SECRET: &str = "a secret of at least thirty-two bytes";

    /// Of a key pair whose other half was thrown away when it had signed [`RS256_TOKEN`].
    const RS256_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
         MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxbEkwKep4q1zawO5gSqP\n\
         AopTlHwpLkNivgzDR1ie/JWimlyf7IsTsfzsctou1MrdJ8r28hULQPtUx2udsuB4\n\
         UulPwqlZ7CjPxKebUTNJ9lgfcpqjo7Ems0JsYd1b0I8vNwvIjQqvBSjwmpUze2Jo\n\
         4zSCCZceyjM2MHmG3W2XHxX5PxmHyTkYLocCgWBdy3gqyMo4P59p/zeRrin9uwE7\n\
         WeH7OJdgrEpeSH/uS6u8TMGoYiJkf5RQi7miUJKf3jioCFeRktlPLEjrhHP2X41Y\n\
         JJ1stoOmjVg/iqxibYJrUZBkb4bPlEKdFBhIVv6ky6L5oZo846SdjrUQ1wW6IwWq\n\
         GQIDAQAB\n\
         -----END PUBLIC KEY-----\n";
    /// Until 2100, with a `kid` that is a path.
    const RS256_TOKEN: &str = concat!(
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Ii4uLy4uL2V0Yy9wYXNzd2QifQ.eyJzdWIiOiJtZSIsImF1ZCI6Im1pb",
        "GxzdHJlYW0iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCJ9.D2cxo2z9NTFFZVq4gopZBHH_ME5ew1-aXu4LBO5oyDjx",
        "boBagyqSzF0mThCFOwf7rTVthy_Be8OqxNuQMOc46t692Ny7nU_65BsMPfKeo3ccSBULNVyEAHH_bejfa8ITWVTu-ZNIpIifP4mn",
        "qaN614micMTNiZWZ8cSiA4M3RFGJbyEXLlKeYuAOCXyvzG43dsGmB83KkCKSNTsnWyUEP1ZyAVc55kFcBNJU0gdvd9SFzcCukd3I",
        "vo9vTfojWwEWrklh1JSUnsYaoAbe8V183tZZG1_2NxH9O6D44owURlh9hoslk9-Re3R1cTGSDCRA8jvtBywalXudagZ-Q1AkNQ",
    );

    fn config(issuer: Option<&str>) -> JwtConfig {
        JwtConfig::hs256(&SECRET.into(), "millstream".to_owned(), issuer.map(str::to_owned)).unwrap()
    }

    /// With these claims instead of good ones; one that is null is left out.
    fn signed(algorithm: Algorithm, secret: &str, changes: Value) -> String {
        let mut claims = json!({ "sub": "me@example", "aud": "millstream", "exp": get_current_timestamp() + 60, "scope": "read write x" });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn a_token_that_holds_names_its_subject_and_its_scopes() {
        let verifier = Verifier::new(config(None));
        let client = verifier.client(&signed(Algorithm::HS256, SECRET, json!({}))).unwrap();
        assert_eq!(client, Client { name: "jwt:me@example".to_owned(), scopes: vec![Scope::Read, Scope::Write] });
        let strange = verifier.client(&signed(Algorithm::HS256, SECRET, json!({ "sub": "a b\n" }))).unwrap();
        assert!(strange.name.len() == 36 && !strange.name.contains(' '), "{}", strange.name);
    }

    #[test]
    fn a_token_that_does_not_hold_is_nobodys() {
        let (verifier, now) = (Verifier::new(config(Some("issuer"))), get_current_timestamp());
        let ours = |changes: Value| {
            let mut all = json!({ "iss": "issuer" });
            all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            signed(Algorithm::HS256, SECRET, all)
        };
        assert!(verifier.client(&ours(json!({}))).is_some());
        assert!(verifier.client(&ours(json!({ "exp": now - 20 }))).is_some(), "clocks may differ");
        for changes in [
            json!({ "exp": now - 60 }),
            json!({ "nbf": now + 60 }),
            json!({ "nbf": "99999999999" }),
            json!({ "exp": Value::Null }),
            json!({ "aud": "other" }),
            json!({ "aud": Value::Null }),
            json!({ "iss": "other" }),
            json!({ "iss": Value::Null }),
            json!({ "sub": Value::Null }),
        ] {
            assert_eq!(verifier.client(&ours(changes.clone())), None, "{changes}");
        }
        let whole = ours(json!({}));
        let (head, rest) = whole.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
        for token in [
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{head}.{claims}."),
            format!("{head}.{claims}"),
            format!("{head}.{claims}x.{signature}"),
            signed(Algorithm::HS512, SECRET, json!({ "iss": "issuer" })),
            signed(Algorithm::HS256, "another secret of thirty-two bytes or more", json!({ "iss": "issuer" })),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(verifier.client(&token), None, "{token}");
        }
    }

    #[test]
    fn a_token_is_judged_by_the_algorithm_of_the_settings_and_not_by_its_own() {
        let by_key = JwtConfig::rs256(RS256_KEY.as_bytes(), "millstream".to_owned(), None).unwrap();
        let verifier = Verifier::new(by_key);
        let client = verifier.client(RS256_TOKEN).unwrap();
        assert_eq!(client, Client { name: "jwt:me".to_owned(), scopes: vec![Scope::Read] });
        let of_another = JwtConfig::rs256(RS256_KEY.as_bytes(), "other".to_owned(), None).unwrap();
        assert_eq!(Verifier::new(of_another).client(RS256_TOKEN), None);
        assert_eq!(verifier.client(&RS256_TOKEN[..RS256_TOKEN.len() - 4]), None);
        // Whoever has the public key could sign with it as if it were a shared secret.
        assert_eq!(verifier.client(&signed(Algorithm::HS256, RS256_KEY, json!({}))), None);
        assert_eq!(Verifier::new(config(None)).client(RS256_TOKEN), None);
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        assert!(matches!(JwtConfig::hs256(&"short".into(), String::new(), None), Err(JwtError::Secret)));
        assert!(matches!(JwtConfig::rs256(b"-----BEGIN", String::new(), None), Err(JwtError::PublicKey)));
        assert!(!format!("{:?}", config(None)).contains("secret"));
    }
}
