//! What a scrape of `/metrics` answers, read as strictly as anybody might: a text with any flaw is refused by name.

use std::collections::{BTreeMap, BTreeSet};

/// One series: its name, and its labels by name.
pub type Series = (String, BTreeMap<String, String>);

/// A scrape that has no flaw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    types: BTreeMap<String, String>,
    helps: BTreeSet<String>,
    values: BTreeMap<Series, f64>,
}

/// What histograms add to their name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

impl Scrape {
    /// Reads the text format, version 0.0.4.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the text does not end with a line feed".to_owned());
        }
        let mut scrape = Self::default();
        let mut families: Vec<String> = Vec::new();
        for line in text.lines() {
            let family = scrape.read_line(line).map_err(|flaw| format!("{flaw}: {line}"))?;
            if families.last() != Some(&family) {
                if families.contains(&family) {
                    return Err(format!("{family} stands in two places"));
                }
                families.push(family);
            }
        }
        scrape.check_families(&families)?;
        scrape.check_histograms()?;
        Ok(scrape)
    }

    /// The value of a series, if it is there.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.values.get(&(name.to_owned(), labels)).copied()
    }

    /// The sum of all series of a name.
    pub fn total(&self, name: &str) -> f64 {
        self.series(name).map(|(_, value)| value).sum()
    }

    /// Every series of a name, by its labels.
    pub fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> {
        let of_name = self.values.iter().filter(move |((other, _), _)| other == name);
        of_name.map(|((_, labels), value)| (labels, *value))
    }

    /// The names of all families, with their types.
    pub fn types(&self) -> &BTreeMap<String, String> {
        &self.types
    }

    /// A counter, or a part of a histogram, that was there before `self` and is less or gone now.
    pub fn fell(&self, later: &Self) -> Option<Series> {
        let counts = |name: &str| self.types.get(family_of(name, &self.types)).is_some_and(|kind| kind != "gauge");
        let fell = |(series, value): &(&Series, &f64)| later.values.get(*series).is_none_or(|now| now < value);
        let mut counted = self.values.iter().filter(|((name, _), _)| counts(name));
        counted.find(fell).map(|(series, _)| series.clone())
    }

    /// Reads a line; answers the family that it belongs to.
    fn read_line(&mut self, line: &str) -> Result<String, &'static str> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help")?;
            let is_new = !help.trim().is_empty() && self.helps.insert(name.to_owned());
            return is_new.then(|| name.to_owned()).ok_or("an empty or a second HELP");
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err("an unknown type");
            }
            let before = self.types.insert(name.to_owned(), kind.to_owned());
            return if before.is_none() { Ok(name.to_owned()) } else { Err("a second TYPE") };
        }
        let (series, value) = read_sample(line)?;
        let family = family_of(&series.0, &self.types).to_owned();
        if self.values.insert(series, value).is_some() {
            return Err("a series twice");
        }
        Ok(family)
    }

    fn check_families(&self, families: &[String]) -> Result<(), String> {
        for family in families {
            if !self.helps.contains(family) || !self.types.contains_key(family) {
                return Err(format!("{family} has no HELP or no TYPE before it"));
            }
            let is_used = self.values.keys().any(|(name, _)| family_of(name, &self.types) == family);
            if !is_used {
                return Err(format!("{family} has no series"));
            }
        }
        let below_zero = |((name, _), value): &(&Series, &f64)| {
            self.types.get(name).is_some_and(|it| it == "counter") && **value < 0.0
        };
        match self.values.iter().find(below_zero) {
            Some((series, _)) => Err(format!("{series:?} counts below zero")),
            None => Ok(()),
        }
    }

    /// Buckets rise with their bounds, end with +Inf, and the last says as much as the count.
    fn check_histograms(&self) -> Result<(), String> {
        for family in self.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for (labels, count) in self.series(&format!("{family}_bucket")) {
                let mut labels = labels.clone();
                let bound = labels.remove("le").ok_or_else(|| format!("{family}: a bucket without le"))?;
                let bound = bound.parse().map_err(|_| format!("{family}: le is {bound}"))?;
                buckets.entry(labels).or_default().push((bound, count));
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                let part = |part: &str| self.values.get(&(format!("{family}{part}"), labels.clone())).copied();
                let (last, rises) = (buckets.last().copied(), buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1));
                if !rises || last != part("_count").map(|count| (f64::INFINITY, count)) || part("_sum").is_none() {
                    return Err(format!("{family}: buckets, sum and count of {labels:?} do not agree"));
                }
            }
        }
        Ok(())
    }
}

/// The family of a series: that of a histogram has a shorter name.
fn family_of<'a>(name: &'a str, types: &BTreeMap<String, String>) -> &'a str {
    let histogram = PARTS.iter().filter_map(|part| name.strip_suffix(part));
    histogram.into_iter().find(|family| types.get(*family).is_some_and(|kind| kind == "histogram")).unwrap_or(name)
}

/// `name{label="value",…} value`, without a time.
fn read_sample(line: &str) -> Result<(Series, f64), &'static str> {
    let (head, value) = line.rsplit_once(' ').ok_or("no value")?;
    let value = value.parse().map_err(|_| "not a number")?;
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').ok_or("labels without an end")?),
        None => (head, ""),
    };
    let is_word = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        text.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && text.bytes().all(fits)
    };
    if !is_word(name) {
        return Err("not a name");
    }
    let mut read = BTreeMap::new();
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once("=\"").ok_or("a label without a value")?;
        let value = value.strip_suffix('"').unwrap_or(value);
        if !is_word(name) || value.contains(['"', '\\']) {
            return Err("a label that is none, or one with an escape");
        }
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err("a label twice");
        }
    }
    Ok(((name.to_owned(), read), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "# HELP a_total Of a.\n# TYPE a_total counter\na_total{x=\"1\",y=\"b c\"} 3\n\
                         # HELP h Of h.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 7\nh_count 2\n";

    #[test]
    fn a_sound_text_is_read() {
        let scrape = Scrape::parse(SOUND).unwrap();
        assert_eq!(scrape.value("a_total", &[("y", "b c"), ("x", "1")]), Some(3.0));
        assert_eq!((scrape.value("h_bucket", &[("le", "1")]), scrape.total("h_count")), (Some(1.0), 2.0));
        assert_eq!(scrape.value("a_total", &[]), None);
    }

    #[test]
    fn each_flaw_is_named() {
        for (sound, flawed, flaw) in [
            ("Of a.", " ", "HELP"),
            ("# HELP a_total Of a.\n", "", "no HELP"),
            ("# TYPE a_total counter\n", "", "no TYPE"),
            ("counter\n", "counts\n", "unknown type"),
            ("a_total{x=\"1\",y=\"b c\"} 3\n", "", "no series"),
            ("3\n", "3\na_total{y=\"b c\",x=\"1\"} 3\n", "twice"),
            ("3\n", "-3\n", "below zero"),
            ("3\n", "three\n", "not a number"),
            ("h_bucket{le=\"+Inf\"} 2\n", "", "do not agree"),
            ("le=\"1\"} 1", "le=\"1\"} 3", "do not agree"),
            ("h_count 2\n", "h_count 2\na_total 4\n", "two places"),
            ("h_count 2\n", "h_count 3\n", "do not agree"),
            ("h_count 2\n", "h_count 2", "line feed"),
        ] {
            let text = SOUND.replace(sound, flawed);
            let refusal = Scrape::parse(&text).expect_err(&text);
            assert!(refusal.contains(flaw), "{refusal} is not {flaw}");
        }
    }

    #[test]
    fn a_counter_that_falls_is_found() {
        let before = Scrape::parse(SOUND).unwrap();
        let after = Scrape::parse(&SOUND.replace("} 3", "} 2")).unwrap();
        assert_eq!(before.fell(&before), None);
        assert_eq!(before.fell(&after).map(|(name, _)| name).as_deref(), Some("a_total"));
        assert_eq!(after.fell(&before), None);
    }
}
