//! Suggestions for a word that nothing is called.

/// The one of `known` that is nearest to `word`, where it takes few steps to get there: one for a short word, and one
/// for each four letters of a longer one. A word of one letter is near to every other, and so to none.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = match word.len() {
        ..=1 => 0,
        2..=7 => 1,
        length => length / 4,
    };
    known.map(|name| (distance(word, name), name)).filter(|(steps, _)| *steps <= most).min().map(|(_, name)| name)
}

/// `, did you mean NAME?`, or nothing.
pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

/// How many letters must be added, dropped, changed or swapped with their neighbour; upper and lower case are alike.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    // A name is short; what is longer than any name is near to none of them.
    if from.len() > 64 {
        return usize::MAX;
    }
    let (from, to) = (from.to_ascii_lowercase().into_bytes(), to.to_ascii_lowercase().into_bytes());
    // Row `i` holds the distances of the first `i` letters of `from`.
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let change = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut steps = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                steps = steps.min(rows[i - 2][j - 2] + 1);
            }
            row.push(steps);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_a_slip_and_no_other_word() {
        let near = |word: &str| nearest(word, ["[", "touch", "ls", "git", "python3", "cargo-clippy"].into_iter());
        for word in ["x", "nosuch", "l", "gh", "pyhton"] {
            assert_eq!(near(word), None, "{word}");
        }
        for (word, meant) in [("toch", "touch"), ("gti", "git"), ("pyton3", "python3"), ("cargo-cilpy", "cargo-clippy")]
        {
            assert_eq!(near(word), Some(meant), "{word}");
        }
    }
}
