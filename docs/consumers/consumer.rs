// A complete consumer in Rust, the standard library alone:
//   rustc -O -o consumer docs/consumers/consumer.rs && mockserver check -- ./consumer

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!(r#"{{"consumer":"example-rust","version":"1","lacks":["tools","n","refusal","reasoning","retries","leave_early","read_pause"]}}"#);
    for text in io::stdin().lock().lines() {
        let line = Json::parse(&text?)?;
        let mut answer = match ask(&line) {
            Ok(answer) => answer,
            Err(error) => BTreeMap::from([("error".into(), told("Failure", &error.to_string()))]),
        };
        answer.insert("case".into(), line.get("case").clone());
        println!("{}", Json::Object(answer).write());
        io::stdout().flush()?;
    }
    Ok(())
}

fn told(kind: &str, message: &str) -> Json {
    Json::Object(BTreeMap::from([
        ("type".into(), Json::Text(kind.into())),
        ("message".into(), Json::Text(message.into())),
    ]))
}

/// Make the request of one case, and report what came of it.
fn ask(line: &Json) -> Result<BTreeMap<String, Json>, Failure> {
    let url = line.get("base_url").text().ok_or("no base_url")?;
    let (address, path) = url.trim_start_matches("http://").split_once('/').ok_or("no path")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs_f64(line.get("timeout_s").number().unwrap_or(5.0))))?;
    let body = line.get("request").write();
    write!(
        stream,
        "POST /{path}/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut events = Events { lines: Lines::new(Body::open(stream)?) };
    let (mut content, mut finish, mut usage) = (String::new(), Json::Null, Json::Null);
    while let Some(data) = events.next()? {
        if data == "[DONE]" {
            break;
        }
        let chunk = Json::parse(&data)?;
        if chunk.get("error") != &Json::Null {
            return Err(format!("the server told an error: {}", chunk.get("error").write()).into());
        }
        if chunk.get("usage") != &Json::Null {
            usage = chunk.get("usage").clone();
        }
        for choice in chunk.get("choices").items() {
            content += choice.get("delta").get("content").text().unwrap_or("");
            if choice.get("finish_reason").text().is_some_and(|reason| !reason.is_empty()) {
                finish = choice.get("finish_reason").clone();
            }
        }
    }
    let error = match finish {
        Json::Null => told("Truncated", "the stream ended without a finish reason"),
        _ => Json::Null,
    };
    Ok(BTreeMap::from([
        ("content".into(), Json::Text(content)),
        ("tool_calls".into(), Json::List(vec![])),
        ("finish_reason".into(), finish),
        ("usage".into(), usage),
        ("error".into(), error),
    ]))
}

/// The body of an HTTP/1.1 response: chunked, as long as it says, or up to the connection's close (RFC 9112 6.3).
struct Body {
    stream: BufReader<TcpStream>,
    chunked: bool,
    left: Option<u64>,
}

impl Body {
    fn open(stream: TcpStream) -> Result<Body, Failure> {
        let mut stream = BufReader::new(stream);
        loop {
            let status = Self::line(&mut stream)?;
            let (mut chunked, mut left) = (false, None);
            loop {
                let header = Self::line(&mut stream)?.to_ascii_lowercase();
                if header.is_empty() {
                    break;
                }
                chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
                if let Some(length) = header.strip_prefix("content-length:") {
                    left = Some(length.trim().parse()?);
                }
            }
            match status.split(' ').nth(1) {
                Some(code) if code.starts_with('1') => continue, // an interim response stands in front
                Some("200") => return Ok(Body { stream, chunked, left: if chunked { Some(0) } else { left } }),
                _ => return Err(format!("unexpected {status:?}").into()),
            }
        }
    }

    fn line(stream: &mut BufReader<TcpStream>) -> Result<String, Failure> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err("the connection was closed before the body was complete".into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_string())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        if self.chunked && self.left == Some(0) {
            let size = Self::line(&mut self.stream)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)?;
            if size == 0 {
                return Ok(0);
            }
            self.left = Some(size);
        }
        let room = self.left.map_or(into.len(), |left| into.len().min(left as usize));
        let count = self.stream.read(&mut into[..room])?;
        if count == 0 && self.left.unwrap_or(0) > 0 {
            return Err("the connection was closed before the body was complete".into());
        }
        if let Some(left) = &mut self.left {
            *left -= count as u64;
            if self.chunked && *left == 0 {
                Self::line(&mut self.stream)?; // the line end behind a chunk
            }
        }
        Ok(count)
    }
}

/// Lines of UTF-8 that end in LF, CRLF or CR, the byte order mark in front of the first taken away (WHATWG HTML 9.2.5, 9.2.6).
struct Lines {
    body: Body,
    bytes: Vec<u8>,
    at: usize,
    end: usize, // of what was read
    after_cr: bool,
    at_start: bool,
}

impl Lines {
    fn new(body: Body) -> Lines {
        Lines { body, bytes: vec![0; 65536], at: 0, end: 0, after_cr: false, at_start: true }
    }

    fn next(&mut self) -> Result<Option<String>, Failure> {
        let mut line = vec![];
        loop {
            if self.at == self.end {
                self.end = self.body.read(&mut self.bytes)?;
                self.at = 0;
                if self.end == 0 {
                    return Ok(None); // what stands here unfinished is no line
                }
            }
            let byte = self.bytes[self.at];
            self.at += 1;
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    break;
                }
                _ => {
                    self.after_cr = false;
                    line.push(byte);
                }
            }
        }
        let line = String::from_utf8(line)?;
        let first = std::mem::replace(&mut self.at_start, false);
        match line.strip_prefix('\u{feff}') {
            Some(rest) if first => Ok(Some(rest.to_string())),
            _ => Ok(Some(line)),
        }
    }
}

/// The data of each server-sent event (WHATWG HTML 9.2.6).
struct Events {
    lines: Lines,
}

impl Events {
    fn next(&mut self) -> Result<Option<String>, Failure> {
        let mut data: Vec<String> = vec![];
        while let Some(line) = self.lines.next()? {
            if let Some(value) = line.strip_prefix("data:") {
                data.push(value.strip_prefix(' ').unwrap_or(value).to_string());
            } else if line.is_empty() && !data.is_empty() {
                return Ok(Some(data.join("\n")));
            }
        }
        Ok(None)
    }
}

/// As much JSON as the protocol needs; numbers stay as they are written.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn parse(text: &str) -> Result<Json, Failure> {
        let mut chars = text.chars().peekable();
        let value = Json::value(&mut chars)?;
        match chars.find(|c| !c.is_ascii_whitespace()) {
            None => Ok(value),
            Some(c) => Err(format!("not JSON: {c:?} follows").into()),
        }
    }

    fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(members) => members.get(key).unwrap_or(&Json::Null),
            _ => &Json::Null,
        }
    }

    fn items(&self) -> &[Json] {
        if let Json::List(items) = self { items } else { &[] }
    }

    fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    fn number(&self) -> Option<f64> {
        if let Json::Number(number) = self { number.parse().ok() } else { None }
    }

    fn skip(chars: &mut std::iter::Peekable<std::str::Chars>) -> Option<char> {
        while chars.next_if(|c| " \t\n\r".contains(*c)).is_some() {}
        chars.peek().copied()
    }

    fn value(chars: &mut std::iter::Peekable<std::str::Chars>) -> Result<Json, Failure> {
        match Json::skip(chars).ok_or("not JSON: it ends too early")? {
            '{' => {
                chars.next();
                let mut members = BTreeMap::new();
                while Json::skip(chars) != Some('}') {
                    if !members.is_empty() && chars.next() != Some(',') {
                        return Err("not JSON: expected a comma".into());
                    }
                    Json::skip(chars);
                    let key = Json::string(chars)?;
                    if Json::skip(chars) != Some(':') {
                        return Err("not JSON: expected a colon".into());
                    }
                    chars.next();
                    members.insert(key, Json::value(chars)?);
                }
                chars.next();
                Ok(Json::Object(members))
            }
            '[' => {
                chars.next();
                let mut items = vec![];
                while Json::skip(chars) != Some(']') {
                    if !items.is_empty() && chars.next() != Some(',') {
                        return Err("not JSON: expected a comma".into());
                    }
                    items.push(Json::value(chars)?);
                }
                chars.next();
                Ok(Json::List(items))
            }
            '"' => Ok(Json::Text(Json::string(chars)?)),
            _ => {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                    word.push(c);
                }
                match word.as_str() {
                    "null" => Ok(Json::Null),
                    "true" | "false" => Ok(Json::Bool(word == "true")),
                    _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && word.parse::<f64>().is_ok() => {
                        Ok(Json::Number(word))
                    }
                    _ => Err(format!("not JSON: {word:?}").into()),
                }
            }
        }
    }

    fn string(chars: &mut std::iter::Peekable<std::str::Chars>) -> Result<String, Failure> {
        if chars.next() != Some('"') {
            return Err("not JSON: expected a string".into());
        }
        let mut units: Vec<u16> = vec![];
        loop {
            match chars.next().ok_or("not JSON: a string has no end")? {
                '"' => return Ok(String::from_utf16(&units)?),
                '\\' => match chars.next().ok_or("not JSON: a string has no end")? {
                    'u' => {
                        let digits: String = chars.take(4).collect();
                        units.push(u16::from_str_radix(&digits, 16)?);
                    }
                    c => {
                        let known = [('b', 8), ('f', 12), ('n', 10), ('r', 13), ('t', 9)];
                        units.push(known.iter().find(|k| k.0 == c).map_or(c as u16, |k| k.1));
                    }
                },
                c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }

    fn write(&self) -> String {
        match self {
            Json::Null => "null".into(),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) => number.clone(),
            Json::List(items) => format!("[{}]", items.iter().map(Json::write).collect::<Vec<_>>().join(",")),
            Json::Object(members) => {
                let members = members.iter().map(|(key, value)| format!("{}:{}", Json::Text(key.clone()).write(), value.write()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Json::Text(text) => {
                let mut found = String::from("\"");
                for c in text.chars() {
                    match c {
                        '"' | '\\' => found.extend(['\\', c]),
                        c if (c as u32) < 0x20 => found += &format!("\\u{:04x}", c as u32),
                        c => found.push(c),
                    }
                }
                found + "\""
            }
        }
    }
}
