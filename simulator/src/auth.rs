//! OAuth2 client credentials, as OpenSky's Keycloak grants them. Tokens expire by real
//! time, since their lifetime is told to the client in real seconds.

use std::collections::HashMap;
use std::time::Instant;

use crate::config::AuthConfig;
use crate::draws::{About, Draws};

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Anonymous,
    Client,
}

/// The tokens that were granted.
#[derive(Debug)]
pub(crate) struct Tokens {
    config: AuthConfig,
    seed: u64,
    granted: u64,
    expiry: HashMap<String, Instant>,
}

/// A token request that is refused, with OAuth2's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400.
    UnsupportedGrant,
    /// 401.
    InvalidClient,
}

impl Tokens {
    pub(crate) fn new(config: AuthConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            granted: 0,
            expiry: HashMap::new(),
        }
    }

    /// Answers a token request, given as the fields of its form.
    pub(crate) fn grant(&mut self, form: &[(String, String)]) -> Result<String, Refusal> {
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map_or("", |(_, value)| value.as_str())
        };
        if field("grant_type") != "client_credentials" {
            return Err(Refusal::UnsupportedGrant);
        }
        let known = self.config.client_id.is_empty()
            || field("client_id") == self.config.client_id
                && field("client_secret") == self.config.client_secret.expose();
        if field("client_id").is_empty() || !known {
            return Err(Refusal::InvalidClient);
        }
        let now = Instant::now();
        self.expiry.retain(|_, expires| *expires > now);
        self.granted += 1;
        let mut draws = Draws::of(self.seed, About::Token, [self.granted, 0, 0]);
        let token = format!("simulated.{:016x}{:016x}", draws.bits(), draws.bits());
        self.expiry
            .insert(token.clone(), now + self.config.token_lifetime);
        Ok(token)
    }

    /// Who sends a request with this `Authorization` header; `None` when it is refused.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Option<Caller> {
        match authorization {
            None => (!self.config.required).then_some(Caller::Anonymous),
            Some(header) => {
                let token = header.strip_prefix("Bearer ")?;
                let expires = self.expiry.get(token)?;
                (*expires > Instant::now()).then_some(Caller::Client)
            }
        }
    }

    /// How long a token lives, in seconds.
    pub(crate) fn lifetime(&self) -> u64 {
        self.config.token_lifetime.as_secs()
    }

    /// Makes every token invalid.
    pub(crate) fn expire_all(&mut self) {
        self.expiry.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tokens(required: bool, lifetime: u64) -> Tokens {
        let config = AuthConfig {
            required,
            client_id: "me".into(),
            client_secret: "secret".into(),
            token_lifetime: Duration::from_secs(lifetime),
        };
        Tokens::new(config, 1)
    }

    fn grant(tokens: &mut Tokens, grant: &str, id: &str, secret: &str) -> Result<String, Refusal> {
        let form = [
            ("grant_type", grant),
            ("client_id", id),
            ("client_secret", secret),
        ];
        tokens.grant(&form.map(|(key, value)| (key.to_owned(), value.to_owned())))
    }

    #[test]
    fn only_the_right_credentials_are_granted_a_token() {
        let mut tokens = tokens(true, 1_800);
        let mut check = |kind, id, secret, expected| {
            assert_eq!(grant(&mut tokens, kind, id, secret).err(), expected);
        };
        check("client_credentials", "me", "secret", None);
        check(
            "client_credentials",
            "me",
            "wrong",
            Some(Refusal::InvalidClient),
        );
        check(
            "client_credentials",
            "you",
            "secret",
            Some(Refusal::InvalidClient),
        );
        check("password", "me", "secret", Some(Refusal::UnsupportedGrant));
    }

    #[test]
    fn tokens_count_until_they_expire() {
        let mut lasting = tokens(false, 1_800);
        let token = grant(&mut lasting, "client_credentials", "me", "secret").unwrap();
        let header = format!("Bearer {token}");
        assert_eq!(lasting.caller(Some(&header)), Some(Caller::Client));
        assert_eq!(lasting.caller(Some("Bearer other")), None);
        assert_eq!(lasting.caller(None), Some(Caller::Anonymous));
        lasting.expire_all();
        assert_eq!(lasting.caller(Some(&header)), None);

        let mut brief = tokens(true, 0);
        let token = grant(&mut brief, "client_credentials", "me", "secret").unwrap();
        assert_eq!(brief.caller(Some(&format!("Bearer {token}"))), None);
        assert_eq!(brief.caller(None), None);
    }
}
