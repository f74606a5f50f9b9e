//! What the HTTP layer refuses by itself, in our words.

use super::Refusal;
use crate::body::violation::{Pointer, Violations};
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::http::StatusCode;
use poem_openapi::error::ParseParamError;

impl Refusal {
    /// Whatever went wrong on the way to the handler of `path` or in it.
    pub fn of(error: poem::Error, path: &str) -> Self {
        let error = match error.downcast::<Refusal>() {
            Ok(refusal) => return refusal,
            Err(error) => error,
        };
        if error.is::<NotFoundError>() {
            Self::NoSuchPath
        } else if error.is::<MethodNotAllowedError>() {
            Self::MethodNotAllowed(String::new())
        } else if error.is::<poem_openapi::error::ParsePathError>() || error.is::<poem::error::ParsePathError>() {
            match path.split('/').nth(1) {
                Some("dead-letters") => Self::LetterNotFound,
                Some("webhooks") => Self::WebhookNotFound,
                _ => Self::TaskNotFound,
            }
        } else if let Some(ParseParamError { name, .. }) = error.downcast_ref() {
            let mut violations = Violations::default();
            violations.shape(&Pointer::root().field(name), "is not of the described shape");
            Self::Invalid(violations)
        } else {
            Self::of_status(error.status(), || error.to_string())
        }
    }

    /// A bare status that some layer answered.
    pub fn of_status(status: StatusCode, why: impl FnOnce() -> String) -> Self {
        let known = [
            Self::NoSuchPath,
            Self::MethodNotAllowed(String::new()),
            Self::BodyTooLarge,
            Self::ContentType,
            Self::BodySlow,
        ];
        match known.into_iter().find(|refusal| refusal.status() == status) {
            Some(refusal) => refusal,
            None if status.is_client_error() => Self::BadRequest,
            None => Self::Bug(why()),
        }
    }
}
