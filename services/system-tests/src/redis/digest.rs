//! One value for everything that a server stores: the same before and after is nothing written.

use super::{PrivateRedis, Reply};

/// What lies under all keys but those of KEYS. Hashes and sets are sorted: each server has an order of its own.
const DIGEST: &str = "
local function content(key)
  local kind, parts = redis.call('TYPE', key).ok, {}
  if kind == 'hash' then
    local flat = redis.call('HGETALL', key)
    for at = 1, #flat, 2 do parts[#parts + 1] = redis.sha1hex(flat[at]) .. redis.sha1hex(flat[at + 1]) end
  elseif kind == 'set' then
    for _, member in ipairs(redis.call('SMEMBERS', key)) do parts[#parts + 1] = redis.sha1hex(member) end
  else
    return redis.call('DUMP', key)
  end
  table.sort(parts)
  return kind .. table.concat(parts)
end
local left_out, told, keys = {}, {}, redis.call('KEYS', '*')
for _, key in ipairs(KEYS) do left_out[key] = true end
table.sort(keys)
for _, key in ipairs(keys) do
  if not left_out[key] then told[#told + 1] = redis.sha1hex(key) .. redis.sha1hex(content(key)) end
end
return redis.sha1hex(table.concat(told))";

impl PrivateRedis {
    /// A digest of everything that is stored but under these keys.
    pub fn digest(&self, except: &[&str]) -> String {
        let count = except.len().to_string();
        let arguments: Vec<&str> = ["EVAL", DIGEST, &count].into_iter().chain(except.iter().copied()).collect();
        match self.command(&arguments) {
            Reply::Text(digest) => String::from_utf8(digest).expect("hex"),
            other => panic!("no digest: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_of_every_change_but_under_the_keys_that_are_left_out() {
        let mut redis = PrivateRedis::start_aof_always().unwrap();
        redis.command(&["XADD", "s", "1-1", "f", "v"]);
        for member in 0..200 {
            redis.command(&["HSET", "h", &member.to_string(), "v"]);
            redis.command(&["SADD", "set", &format!("m{member}")]);
        }
        let before = redis.digest(&["other"]);
        redis.restart().unwrap();
        redis.command(&["SET", "other", "v"]);
        assert_eq!(redis.digest(&["other"]), before, "another process stores the same in another order");
        assert_ne!(redis.digest(&[]), before);
        for [change, back] in [
            [["HSET", "h", "7", "w"], ["HSET", "h", "7", "v"]],
            [["SMOVE", "set", "new", "m7"], ["SMOVE", "new", "set", "m7"]],
        ] {
            redis.command(&change);
            assert_ne!(redis.digest(&["other"]), before, "{change:?}");
            redis.command(&back);
            assert_eq!(redis.digest(&["other"]), before, "{back:?}");
        }
        redis.command(&["XADD", "s", "1-2", "f", "v"]);
        redis.command(&["XDEL", "s", "1-2"]);
        assert_ne!(redis.digest(&["other"]), before, "an entry that came and went");
    }
}
