//! Making, showing and forgetting webhooks, and the secrets that their deliveries are signed with. Who is told of what,
//! and how, is the projector's and the worker's.

use crate::body::violation::{Class, Pointer, Violations};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::webhook::{NewWebhook, WebhookDocument, WebhookList};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto_schemas::limit::{WEBHOOK_SECRET_OVERLAP_MS, WEBHOOK_URL_CHARS_MAX};
use proto_schemas::{Kind, Webhook, WebhookEvent, WebhookSecret};
use redis_store::StoreError;
use redis_store::keep::Kept;
use redis_store::webhooks::KeptWebhook;
use ring::rand::{SecureRandom, SystemRandom};
use ulid::Ulid;

const ID_PREFIX: &str = "wh_";
const SECRET_PREFIX: &str = "whsec_";
/// Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;
/// How often somebody else may be faster.
const TURNS_MAX: usize = 5;
/// Earlier secrets that may sign beside the one that holds.
const OLD_SECRETS_MAX: usize = 3;

/// Makes one, and shows its secret this once.
pub async fn create(context: &Context, new: NewWebhook) -> Result<WebhookDocument, Refusal> {
    check(context, &new.url)?;
    let events = new.events.map_or_else(|| WebhookEvent::ALL.to_vec(), |it| it.into_iter().map(Into::into).collect());
    let (id, secret) = (format!("{ID_PREFIX}{}", Ulid::generate()), secret()?);
    let kept = context.ask(async {
        let now_ms = context.store.now_ms().await?;
        let webhook = Webhook { url: new.url, events, secrets: vec![secret], created_at_ms: now_ms };
        let kept = context.store.keep_webhook(&id, None, &webhook).await?;
        let made = KeptWebhook { id, webhook, stored: String::new(), gone_at_ms: None };
        Ok::<_, StoreError>((kept == Kept::Kept).then_some(made))
    });
    let kept = kept.await?.ok_or(Refusal::TooManyWebhooks)?;
    Ok(WebhookDocument::with_secret(&kept, kept.webhook.created_at_ms))
}

/// All of them.
pub async fn list(context: &Context) -> Result<WebhookList, Refusal> {
    let asked = async { tokio::try_join!(context.store.now_ms(), context.store.webhooks()) };
    let (now_ms, webhooks) = context.ask(asked).await?;
    Ok(WebhookList { webhooks: webhooks.iter().map(|kept| WebhookDocument::of(kept, now_ms)).collect() })
}

/// One of them.
pub async fn show(context: &Context, id: &str) -> Result<WebhookDocument, Refusal> {
    let (now_ms, kept) = find(context, id).await?;
    Ok(WebhookDocument::of(&kept, now_ms))
}

/// Forgets one: nothing is delivered to it any more, what is under way included.
pub async fn delete(context: &Context, id: &str) -> Result<(), Refusal> {
    let was_there = context.ask(context.store.remove_webhook(sound(id)?)).await?;
    if was_there { Ok(()) } else { Err(Refusal::WebhookNotFound) }
}

/// Gives one another secret, and shows it this once; the one before signs for a day more.
pub async fn rotate(context: &Context, id: &str) -> Result<WebhookDocument, Refusal> {
    for _ in 0..TURNS_MAX {
        let (now_ms, kept) = find(context, id).await?;
        let webhook = rotated(&kept.webhook, secret()?, now_ms);
        match context.ask(context.store.keep_webhook(&kept.id, Some(&kept.stored), &webhook)).await? {
            Kept::Kept => return Ok(WebhookDocument::with_secret(&KeptWebhook { webhook, ..kept }, now_ms)),
            Kept::Changed | Kept::Full => {} // somebody was faster, or has deleted it
        }
    }
    Err(Refusal::StoreSilent)
}

fn rotated(webhook: &Webhook, secret: WebhookSecret, now_ms: u64) -> Webhook {
    let old = webhook.secrets.iter().map(|old| {
        let until_ms = old.until_ms.unwrap_or(now_ms + WEBHOOK_SECRET_OVERLAP_MS);
        WebhookSecret { until_ms: Some(until_ms), ..old.clone() }
    });
    let old = old.filter(|it| it.until_ms.is_some_and(|ms| ms > now_ms)).take(OLD_SECRETS_MAX);
    Webhook { secrets: std::iter::once(secret).chain(old).collect(), ..webhook.clone() }
}

fn check(context: &Context, url: &str) -> Result<(), Refusal> {
    let mut violations = Violations::default();
    let at = Pointer::root().field("url");
    if url.chars().count() > WEBHOOK_URL_CHARS_MAX {
        violations.add(&at, Class::Rule, "must have at most 2048 characters");
    } else if let Err(rule) = context.egress.target(url) {
        violations.add(&at, Class::Rule, rule);
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Invalid(violations)) }
}

async fn find(context: &Context, id: &str) -> Result<(u64, KeptWebhook), Refusal> {
    let id = sound(id)?;
    let asked = async { tokio::try_join!(context.store.now_ms(), context.store.webhook(id)) };
    let (now_ms, kept) = context.ask(asked).await?;
    Ok((now_ms, kept.ok_or(Refusal::WebhookNotFound)?))
}

/// An id that could be one.
fn sound(id: &str) -> Result<&str, Refusal> {
    let is_sound = id.starts_with(ID_PREFIX) && Kind::new(id).is_ok();
    is_sound.then_some(id).ok_or(Refusal::WebhookNotFound)
}

fn secret() -> Result<WebhookSecret, Refusal> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::Bug("the system gives no randomness".to_owned()))?;
    Ok(WebhookSecret { secret: format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)), until_ms: None })
}
