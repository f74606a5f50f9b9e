//! Who asks. Off until it is configured; then a request that is not open needs `Authorization: Bearer` with an API key
//! or a signed token (JWT), whichever the settings allow, and whoever it is needs the scope of the operation.
//!
//! What a client sends as its credentials is compared in constant time, and stands in no log and in no answer.

mod jwt;
mod key;
mod keyring;

pub use crate::routes::scope::Scope;
pub use jwt::JwtConfig;
pub use key::NewKey;

use crate::context::Context;
use crate::refusal::Refusal;
use jwt::Verifier;
use keyring::Keyring;
use poem::http::{HeaderMap, header};

/// Bytes of credentials that are looked at.
const CREDENTIALS_BYTES_MAX: usize = 8 << 10;

/// Which credentials are accepted.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// API keys.
    pub keys: bool,
    /// Tokens, and how they are checked.
    pub jwt: Option<JwtConfig>,
}

/// Not a name of anybody's: those begin with `key:` or `jwt:`.
const ANONYMOUS: &str = "anonymous";

/// Somebody who has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Their name in idempotency keys, allowances and the audit: `key:<id>` or `jwt:<subject>`.
    pub name: String,
    /// What they may do.
    pub scopes: Vec<Scope>,
}

/// The judge of credentials.
pub struct Auth {
    keys: Option<Keyring>,
    jwt: Option<Verifier>,
}

impl AuthConfig {
    /// Whether anybody is asked who they are.
    pub fn is_on(&self) -> bool {
        self.keys || self.jwt.is_some()
    }
}

impl Client {
    /// Whoever nobody asks who they are: they may do everything.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), scopes: vec![Scope::Admin] }
    }

    /// Whether nobody has asked who they are.
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// Fails if they may not do it. Who may change may look, and who may do everything may do both.
    pub fn must(&self, scope: Scope) -> Result<(), Refusal> {
        match self.scopes.iter().any(|granted| *granted >= scope) {
            true => Ok(()),
            false => Err(Refusal::Forbidden(scope)),
        }
    }
}

impl Auth {
    /// The judge of these settings; `None` if nobody is to be asked.
    pub fn new(config: AuthConfig) -> Option<Self> {
        let is_on = config.is_on();
        let keys = config.keys.then(Keyring::default);
        is_on.then(|| Self { keys, jwt: config.jwt.map(Verifier::new) })
    }

    /// Who sends this.
    pub async fn client(&self, context: &Context, headers: &HeaderMap) -> Result<Client, Refusal> {
        let credentials = bearer(headers).ok_or(Refusal::Unauthenticated)?;
        if let Some((id, secret)) = key::split(credentials) {
            let keys = self.keys.as_ref().ok_or(Refusal::Unauthenticated)?;
            return keys.client(context, id, secret).await;
        }
        self.jwt.as_ref().and_then(|jwt| jwt.client(credentials)).ok_or(Refusal::Unauthenticated)
    }
}

/// The credentials of the one header that may carry them.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let is_sound = (1..=CREDENTIALS_BYTES_MAX).contains(&credentials.len()) && !credentials.contains(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_sound).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    #[test]
    fn one_header_with_one_word_behind_bearer_carries_credentials() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        let long = format!("Bearer {}", "x".repeat(CREDENTIALS_BYTES_MAX + 1));
        assert_eq!(with(&["bearer x.y"]).as_deref(), Some("x.y"));
        for values in
            [&[][..], &["Bearer"], &["Bearer "], &["Bearer  x"], &["Basic x"], &["Bearer x", "Bearer x"], &[&long]]
        {
            assert_eq!(with(values), None, "{values:?}");
        }
    }

    #[test]
    fn a_greater_scope_holds_the_smaller_ones() {
        let client = |scopes: &[Scope]| Client { name: "key:x".to_owned(), scopes: scopes.to_vec() };
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        let may = |client: &Client| all.map(|scope| client.must(scope).is_ok());
        assert_eq!(may(&client(&[])), [false; 3]);
        assert_eq!(may(&client(&[Scope::Read])), [true, false, false]);
        assert_eq!(may(&client(&[Scope::Write])), [true, true, false]);
        assert_eq!(may(&client(&[Scope::Admin])), [true; 3]);
    }
}
