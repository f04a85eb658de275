//! What the path and the query of a webhook say about its sender.

use std::borrow::Cow;

use crate::{
    auth::{App, Callback, Token},
    call::{access::Access, query},
    domain::{AppId, UnixSeconds},
    excerpt::quoted,
    routes::CALLBACK_PATH,
};

/// What a webhook says about its sender, none of which is true until it was checked.
pub(super) struct Sender<'a> {
    app: Option<AppId>,
    secret: Cow<'a, str>,
    /// The kind of webhook.
    pub(super) kind: Option<Cow<'a, str>>,
    sdk_app_id: Option<Cow<'a, str>>,
    sign: Option<Cow<'a, str>>,
    request_time: Option<Cow<'a, str>>,
}

/// The query parameter that holds the secret if the path does not.
const TOKEN: &str = "token";

impl<'a> Sender<'a> {
    /// Reads path and query. A parameter that cannot be decoded counts as absent, and the first of a repeated one counts.
    pub(super) fn read(path: &'a str, query: &'a str) -> Sender<'a> {
        let rest = path.strip_prefix(CALLBACK_PATH).unwrap_or_default();
        let (app, secret) = rest.split_once('/').unwrap_or((rest, ""));
        let is_number = (1..=10).contains(&app.len()) && app.bytes().all(|byte| byte.is_ascii_digit());
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            query::decode(value).ok()
        };
        let secret = match secret {
            "" => parameter(TOKEN).unwrap_or_default(),
            secret => Cow::Borrowed(secret),
        };
        Sender {
            app: app.parse().ok().filter(|_| is_number).and_then(AppId::new),
            secret,
            kind: parameter("CallbackCommand"),
            sdk_app_id: parameter("SdkAppid"),
            sign: parameter("Sign"),
            request_time: parameter("RequestTime"),
        }
    }

    /// Returns the app and its settings, if the secret is right and the app is not disabled. An unknown app takes as long as a
    /// wrong secret.
    pub(super) fn admitted<'b>(&self, access: &'b Access) -> Option<(&'b App, &'b Callback)> {
        let app = self.app.and_then(|app| access.gate.apps().get(app)).filter(|app| !app.disabled);
        let found = app.and_then(|app| Some((app, app.callback.as_deref()?)));
        let none = Token::new("");
        let is_right = found.map_or(&none, |(_, callback)| &callback.secret).is(&self.secret);
        found.filter(|_| is_right)
    }

    /// Checks what the vendor adds to the query.
    ///
    /// # Errors
    /// Returns why the webhook is refused.
    pub(super) fn check(&self, app: AppId, callback: &Callback, now: UnixSeconds) -> Result<(), String> {
        if let Some(said) = self.sdk_app_id.as_deref().filter(|said| *said != app.to_string()) {
            return Err(format!(
                "the query parameter SdkAppid must be {app}, as in the path, found {}",
                quoted(&crate::masking::text(said))
            ));
        }
        let Some(token) = &callback.token else { return Ok(()) };
        let verified = token.verify(self.sign.as_deref(), self.request_time.as_deref(), now);
        verified.map_err(|refusal| refusal.to_string())
    }
}

/// Returns the query of a webhook as it came, but without the secret.
pub(super) fn forwarded_query(query: &str) -> String {
    let is_kept = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !name.eq_ignore_ascii_case(TOKEN)
    };
    query.split('&').filter(is_kept).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_read() {
        let read = |path, query| {
            let Sender { app, secret, kind, sdk_app_id, .. } = Sender::read(path, query);
            (app.map(AppId::number), secret.into_owned(), kind.map(Cow::into_owned), sdk_app_id.is_some())
        };
        let kind = || Some("C2C.CallbackAfterSendMsg".to_owned());
        let query = "SdkAppid=7&CallbackCommand=C2C.CallbackAfterSendMsg&contenttype=json";
        assert_eq!(read("/callback/7/s3cret", query), (Some(7), "s3cret".to_owned(), kind(), true));
        assert_eq!(read("/callback/7/s3cret", "token=x").1, "s3cret");
        assert_eq!(read("/callback/7", "a=b&token=s3%2Dcret"), (Some(7), "s3-cret".to_owned(), None, false));
        assert_eq!(read("/callback/7/", "token=s3cret").1, "s3cret");
        assert_eq!(read("/callback/7/s3cret/", "").1, "s3cret/");
        for bad in
            ["/callback/x/s", "/callback/+7/s", "/callback//s", "/callback/99999999999/s", "/callback/0/s"]
        {
            assert_eq!(read(bad, "").0, None, "{bad}");
        }
    }

    #[test]
    fn the_secret_is_not_forwarded() {
        assert_eq!(forwarded_query("a=b&token=s3cret&c=%20d&&e"), "a=b&c=%20d&&e");
        assert_eq!(forwarded_query("SdkAppid=7&x=1"), "SdkAppid=7&x=1");
        assert_eq!(forwarded_query(""), "");
    }
}
