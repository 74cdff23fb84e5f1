//! Reads indexes for their entries: path, mode, object, stage.

use std::collections::{BTreeMap, BTreeSet};

use super::side::Side;
use crate::sys::Result;
use crate::workspace::settle::index::{Entry, list};

pub(super) const NAME: &[u8] = b"index";
pub(super) const SHARED: &[u8] = b"sharedindex.";

/// The longest index of the host that is read for its entries alone.
pub(super) const LONGEST: u64 = 256 << 20;

/// The entries of one path: stage, mode, object.
pub(super) type Entries = BTreeMap<Vec<u8>, Vec<(u8, u32, Vec<u8>)>>;

pub(super) fn by_path(entries: &[Entry]) -> Entries {
    let mut paths = Entries::new();
    for Entry { path, mode, id, stage, .. } in entries {
        paths.entry(path.clone()).or_default().push((*stage, *mode, id.clone()));
    }
    paths
}

/// A number for the entries of the index in `dir`. `None`: there is no index, or it cannot be read. The box cannot
/// write this index, so nobody looks for two with the same number (FNV-1a).
pub(super) fn hash(dir: Side<'_>, hash: usize) -> Option<u64> {
    dir.look(NAME).ok().flatten()?;
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for Entry { path, mode, id, stage, .. } in read(dir, hash).ok().flatten()? {
        let parts = [&path[..], &[0], &mode.to_be_bytes(), &id, &[stage]];
        for byte in parts.into_iter().flatten() {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    Some(sum)
}

/// The entries of the index in `dir`; without one there are none. `None`: it cannot be read.
pub(super) fn read(dir: Side<'_>, hash: usize) -> Result<Option<Vec<Entry>>> {
    let Some(text) = dir.read(NAME, LONGEST)? else { return Ok(Some(Vec::new())) };
    let rest = |name: &str| dir.read(&[SHARED, name.as_bytes()].concat(), LONGEST).ok().flatten();
    Ok(whole(&text, hash, &rest))
}

/// The entries of an index. Those of a split one take the place of others in the rest, which goes by a name
/// (gitformat-index(5), "Split index"; git's split-index.c, `merge_base_index`).
pub(super) fn whole(text: &[u8], hash: usize, rest: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Vec<Entry>> {
    let own = list(text, hash, false)?;
    let Some((name, bitmaps)) = own.split else { return Some(own.entries) };
    let base = list(&rest(&name)?, hash, true)?.entries;
    let (gone, left) = bits(&bitmaps, base.len())?;
    let (replaced, _) = bits(left, base.len())?;
    let mut own = own.entries.into_iter();
    let mut merged = BTreeMap::new();
    for (at, entry) in base.into_iter().enumerate() {
        let replacement = if replaced.contains(&at) { Some(own.next()?) } else { None };
        if !gone.contains(&at) {
            let path = entry.path.clone();
            let entry = replacement.map_or(entry, |new| Entry { path: path.clone(), ..new });
            merged.insert((path, entry.stage), entry);
        }
    }
    for entry in own {
        if entry.path.is_empty() {
            return None;
        }
        merged.insert((entry.path.clone(), entry.stage), entry);
    }
    Some(merged.into_values().collect())
}

/// The numbers in a compressed bitmap, none as high as `most`, and what follows it (gitformat-bitmap(5), "EWAH").
fn bits(text: &[u8], most: usize) -> Option<(BTreeSet<usize>, &[u8])> {
    if text.is_empty() {
        return Some((BTreeSet::new(), text));
    }
    let word = |at: usize| Some(u32::from_be_bytes(text.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = word(4)?;
    let body = text.get(8..8 + count.checked_mul(8)?)?;
    let rest = text.get(8 + count * 8 + 4..)?;
    let mut words = body.chunks_exact(8).map(|chunk| u64::from_be_bytes(chunk.try_into().unwrap_or_default()));
    let (mut set, mut at) = (BTreeSet::new(), 0usize);
    while let Some(marker) = words.next() {
        let (run, literals) = ((marker >> 1 & 0xffff_ffff) as usize, (marker >> 33) as usize);
        let end = at.checked_add(run.checked_mul(64)?)?;
        if marker & 1 == 1 {
            set.extend(at..end.min(most));
        }
        at = end;
        for _ in 0..literals {
            let word = words.next()?;
            set.extend((0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| at + bit));
            at = at.checked_add(64)?;
        }
    }
    set.last().is_none_or(|last| *last < most).then_some((set, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As git's ewah/ewah_io.c writes it: bits, words, the words, where the last marker is.
    fn bitmap(words: &[u64]) -> Vec<u8> {
        let mut text = [64u32.to_be_bytes(), (words.len() as u32).to_be_bytes()].concat();
        words.iter().for_each(|word| text.extend(word.to_be_bytes()));
        text.extend([0; 4]);
        text
    }

    #[test]
    fn bitmaps() {
        let set = |words: &[u64], most| bits(&bitmap(words), most).map(|(set, _)| set.into_iter().collect::<Vec<_>>());
        let literals = |count: u64| count << 33;
        let run = |bit: u64, words: u64| bit | words << 1;
        assert_eq!(set(&[literals(1), 0b1010], 64), Some(vec![1, 3]));
        assert_eq!(set(&[run(0, 1) | literals(1), 1], 100), Some(vec![64]));
        assert_eq!(set(&[run(1, 1)], 3), Some(vec![0, 1, 2]));
        // A run as long as a number can be costs nothing.
        assert_eq!(set(&[run(1, 0xffff_ffff)], 3), Some(vec![0, 1, 2]));
        // Beyond the entries, or cut off.
        assert_eq!(set(&[literals(1), 0b1000], 3), None);
        assert_eq!(set(&[literals(2), 1], 64), None);
        assert_eq!(bits(&bitmap(&[literals(1), 1])[..12], 64), None);
        assert_eq!(bits(b"", 3), Some((BTreeSet::new(), &b""[..])));
    }
}
