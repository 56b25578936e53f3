//! Strict parsing of server URLs that may hold a password. A URL that can be read in two ways is shown by its scheme
//! alone, so no part of a password is shown (a test checks).

/// The known schemes.
const SCHEMES: [&str; 6] = ["postgres", "postgresql", "amqp", "amqps", "http", "https"];

/// The advice for a URL that [`is_plain`] refuses.
pub const PERCENT_ENCODING: &str = "it looks like scheme://user:password@host:port/path, with every character of user and password \
                                    that is no letter and no digit percent-encoded (@ is %40, / is %2F, ? is %3F, # is %23, : is %3A)";

/// A URL that can be read in one way (RFC 3986, section 3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerUrl<'url> {
    pub(crate) scheme: &'url str,
    user: Option<&'url str>,
    pub(crate) host: &'url str,
    port: Option<&'url str>,
    path: &'url str,
}

impl<'url> ServerUrl<'url> {
    /// Parses a URL; `None` if it is not one, or can be read in two ways.
    pub(crate) fn read(url: &'url str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        let (credentials, place) =
            authority.rsplit_once('@').map_or((None, authority), |(before, after)| (Some(before), after));
        let (host, port) = host_and_port(place)?;
        let url = Self {
            scheme,
            user: credentials.map(|credentials| before(credentials, &[':'])),
            host,
            port,
            path: before(after, &['?', '#']),
        };
        // An `@` after the host belongs to a password that contains a character that ends a host.
        let is_one =
            is_known && !after.contains('@') && url.user.is_none_or(is_plain_text) && is_plain_text(url.path);
        is_one.then_some(url)
    }

    /// Whether the host is this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(self.host)
    }

    /// The URL without its password, for messages.
    fn shown(&self) -> String {
        let Self { scheme, user, host, port, path } = self;
        match (user, port) {
            (Some(user), Some(port)) => format!("{scheme}://{user}@{host}:{port}{path}"),
            (Some(user), None) => format!("{scheme}://{user}@{host}{path}"),
            // `user:password` without a host has the same form.
            (None, Some(_)) => format!("{scheme}://{host}:…"),
            (None, None) => format!("{scheme}://{host}{path}"),
        }
    }
}

/// Whether a URL can be read in one way. A list of URLs cannot.
pub fn is_plain(url: &str) -> bool {
    ServerUrl::read(url).is_some()
}

/// A setting without its password, for messages: `amqp://user:password@host/vhost` becomes `amqp://user@host/vhost`.
pub fn redacted(text: &str) -> String {
    if let Some(file) = text.strip_prefix("sqlite:") {
        let path = before(file, &['?']);
        let is_password = file.split_once('@').is_some_and(|(before, _)| before.contains(':'));
        return if is_password { "sqlite:…".to_owned() } else { format!("sqlite:{path}") };
    }
    ServerUrl::read(text).map_or_else(|| scheme_alone(text), |url| url.shown())
}

/// The part of a text before the first of some characters; the whole text if it has none.
fn before<'text>(text: &'text str, ends: &[char]) -> &'text str {
    text.split_once(ends).map_or(text, |(before, _)| before)
}

fn scheme_alone(text: &str) -> String {
    let known =
        SCHEMES.iter().find(|known| text.split_once("://").is_some_and(|(scheme, _)| scheme == **known));
    known.map_or_else(|| "…".to_owned(), |scheme| format!("{scheme}://…"))
}

/// The host, which is an address in brackets or a name, and the port.
fn host_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    let is_address =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').filter(|(address, _)| is_address(address))?;
            let host = place.get(..address.len() + 2)?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_host = host.starts_with('[') || is_plain_text(host) && !host.contains('/');
    let is_port =
        port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_host && is_port).then_some((host, port))
}

/// Whether a text has only unreserved characters (RFC 3986, section 2.3), `%` and `/`.
fn is_plain_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'/'))
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_password_alone_is_left_out() {
        for (url, shown) in [
            ("postgres://me:p@ss:w@db:5432/careq", "postgres://me@db:5432/careq"),
            ("postgres://me@db/careq?password=pass", "postgres://me@db/careq"),
            ("postgres://db/careq?user=me&password=pass", "postgres://db/careq"),
            ("postgres:///careq?host=/run/postgresql", "postgres:///careq"),
            ("amqps://me:S3cret@[2001:db8::1]:5671/%2f", "amqps://me@[2001:db8::1]:5671/%2f"),
            ("amqp://me:a,b@one/%2f", "amqp://me@one/%2f"),
            ("amqp://me:a@one/%2f,amqp://me:c@two:5672/%2f", "amqp://…"),
            ("http://127.0.0.1:15672", "http://127.0.0.1:…"),
            ("sqlite://data/careq.db", "sqlite://data/careq.db"),
            ("sqlite:data/c@req.db?mode=rwc", "sqlite:data/c@req.db"),
            ("embedded", "…"),
        ] {
            assert_eq!(redacted(url), shown, "{url}");
        }
    }

    #[test]
    fn an_ambiguous_url_is_shown_by_its_scheme_alone() {
        let passwords =
            "S3cret?x S3cret/x S3cret#x S3?cr/et@x S3c:r#et S3@cr/et S3@c?ret 12/S3cret 1@S3cret/x S3\\cret";
        for password in passwords.split(' ') {
            for host in ["db/careq", "db:5432/careq", "[::1]/careq"] {
                let url = format!("postgres://careq:{password}@{host}");
                assert_eq!((redacted(&url).as_str(), is_plain(&url)), ("postgres://…", false), "{url}");
            }
        }
        assert_eq!(redacted("amqp://careq:x@Secret/abc@host"), "amqp://…");
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "localhost.example", "0.0.0.0", "10.0.0.1", "[::]", "db", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    /// `{}` is the place of the password, or a place where a person has put it by mistake.
    const TEMPLATES: [&str; 20] = [
        "postgres://careq:{}@db:5432/careq",
        "postgresql://careq:{}@db/careq?sslmode=verify-full",
        "postgres://db/careq?user=careq&password={}",
        "postgres://careq:{}",
        "postgres://careq:{}/careq",
        "postgres:/careq:{}@db/careq",
        "postgres//careq:{}@db/careq",
        "postgres:careq:{}@db/careq",
        "careq:{}@db/careq",
        "host=db user=careq password={}",
        "amqp://careq:{}@host:5672/%2f",
        "amqp://careq:{}@host:x/%2f",
        "amqp://careq:{}@[::1/%2f",
        "amqps://careq:{}@one/v,amqps://careq:{}@two:5671/v",
        "amqp://one:5672,amqp://careq:{}@two/v",
        "\"amqp://careq:{}@host/%2f\"",
        "http://me:{}@host:15672",
        "https://me:{}@host/api?x=y",
        "sqlite://careq:{}@db/careq",
        "AMQP://careq:{}@host/%2f",
    ];

    proptest! {
        #[test]
        fn no_part_of_a_password_is_ever_shown(
            template in prop::sample::select(TEMPLATES.to_vec()),
            password in "[A-Za-z0-9@/?#:%,;&=\\[\\]\\\\ .+é-]{4,24}",
        ) {
            // `careq:one@two` without a host is literally a password and a host.
            prop_assume!(template.contains("{}@") || !password.contains('@'));
            let shown = redacted(&template.replace("{}", &password));
            let letters: Vec<char> = password.chars().collect();
            for piece in letters.windows(4).map(|piece| piece.iter().collect::<String>()) {
                prop_assert!(template.contains(&piece) || !shown.contains(&piece), "{shown} shows {piece} of {password}");
            }
        }
    }
}
