//! Set-up and login.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::shape::{Field, any_text, closed, map, text};
use super::{Metabase, Reply, SESSION, SETUP_TOKEN};

pub fn properties(state: &Metabase) -> Reply {
    let engines: Map<String, Json> = state
        .engines
        .iter()
        .map(|engine| ((*engine).to_owned(), json!({"driver-name": engine})))
        .collect();
    Reply::ok(json!({
        "setup-token": state.user.is_none().then_some(SETUP_TOKEN),
        "has-user-setup": state.user.is_some(),
        "version": {"tag": state.version, "date": "2026-08-20", "hash": "abc1234"},
        "engines": engines,
        "site-locale": "en",
    }))
}

pub fn set_up(state: &mut Metabase, body: &Json) -> Reply {
    const BODY: [Field; 3] = [
        ("token", true, text),
        ("user", true, map),
        ("prefs", true, map),
    ];
    const USER: [Field; 5] = [
        ("email", true, text),
        ("password", true, text),
        ("first_name", false, text),
        ("last_name", false, text),
        ("site_name", false, any_text),
    ];
    const PREFS: [Field; 2] = [
        ("site_name", true, text),
        ("allow_tracking", false, |_| None),
    ];
    for (part, fields) in [
        (body, &BODY[..]),
        (&body["user"], &USER[..]),
        (&body["prefs"], &PREFS[..]),
    ] {
        if let Err(reply) = closed(part, fields) {
            return reply;
        }
    }
    if state.user.is_some() || body["token"] != SETUP_TOKEN {
        return Reply::invalid("token", "Token does not match the setup token.");
    }
    let of_user = |key: &str| body["user"][key].as_str().unwrap().to_owned();
    let (email, password) = (of_user("email"), of_user("password"));
    let refuse = |key: &str, reason: &str| {
        Reply(
            StatusCode::BAD_REQUEST,
            json!({
                "errors": {"user": {key: reason}},
                "specific-errors": {"user": {key: [format!("{reason}, received: {password:?}")]}},
            }),
        )
    };
    if !email.contains('@') {
        return refuse("email", "value must be a valid email address.");
    }
    if password.len() < 6 || !password.chars().any(|c| c.is_ascii_digit()) {
        return refuse("password", "password is too common.");
    }
    state.user = Some((email, password));
    state.writes.push("POST setup".into());
    Reply::ok(json!({"id": SESSION}))
}

pub fn log_in(state: &Metabase, body: &Json) -> Reply {
    if let Err(reply) = closed(body, &[("username", true, text), ("password", true, text)]) {
        return reply;
    }
    let given = (
        body["username"].as_str().unwrap().to_owned(),
        body["password"].as_str().unwrap().to_owned(),
    );
    match state.user.as_ref() == Some(&given) {
        true => Reply::ok(json!({"id": SESSION})),
        false => Reply(
            StatusCode::UNAUTHORIZED,
            json!({"errors": {"password": "did not match stored password"}}),
        ),
    }
}
