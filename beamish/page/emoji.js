/** The emoji that the picker offers, with the names that it is searched by; any other can be typed. */

/** Offered first, as reactions. */
export const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

const LIST = `
👍 thumbs up yes|👎 thumbs down no|❤️ red heart love|😂 tears of joy laughing|😮 surprised|😢 crying sad|🙏 thanks please|🎉 party celebration
😀 grinning|😃 smiling big eyes|😄 smiling eyes|😁 beaming|😆 squinting laughing|😅 sweat relief|🤣 rolling laughing|🙂 slight smile
🙃 upside down|😉 wink|😊 blushing smile|😇 halo angel|🥰 hearts love|😍 heart eyes|🤩 star struck|😘 kiss
😋 yummy|😜 wink tongue|🤪 zany|🤗 hug|🤭 hand over mouth|🤫 quiet|🤔 thinking|🫡 salute
🤐 zipper mouth|🤨 raised eyebrow|😐 neutral|😑 expressionless|😶 speechless|😏 smirk|😒 unamused|🙄 rolling eyes
😬 grimace|😌 relieved|😔 pensive|😪 sleepy|😴 sleeping|😷 mask ill|🤒 fever|🤕 hurt
🤢 nauseated|🥵 hot|🥶 cold|🥴 woozy|😵 dizzy|🤯 mind blown|🥳 partying|😎 cool sunglasses
🤓 nerd|🧐 monocle|😕 confused|😟 worried|🙁 frown|😲 astonished|😳 flushed|🥺 pleading
😨 fearful|😰 anxious|😭 sobbing|😱 screaming|😞 disappointed|😓 downcast|😩 weary|🥱 yawning
😤 triumph huff|😡 angry|🤬 swearing|💀 skull|💩 poo|🤡 clown|👻 ghost|👽 alien
👋 waving hello|👌 ok hand|🤌 pinched fingers|✌️ victory peace|🤞 crossed fingers|🤟 love you|🤘 rock|🤙 call me
👈 left|👉 right|👆 up|👇 down|☝️ point one|✊ fist|👏 clapping applause|🙌 raised hands
🤝 handshake deal|💪 strong muscle|🧠 brain|👀 eyes look|💋 kiss mark|🫶 heart hands|🤷 shrug|🤦 facepalm
💔 broken heart|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|🤍 white heart
💯 hundred|💥 boom|💫 dizzy star|💦 sweat drops|🔥 fire|✨ sparkles|⭐ star|🌈 rainbow
☀️ sun|🌧️ rain|❄️ snow|⚡ lightning|🌍 earth|🌱 seedling|🌹 rose|🌸 blossom
🐶 dog|🐱 cat|🦊 fox|🐻 bear|🐼 panda|🦁 lion|🐸 frog|🦄 unicorn
🍎 apple|🍌 banana|🍓 strawberry|🍕 pizza|🍔 burger|🍿 popcorn|🍰 cake|☕ coffee tea
🍺 beer|🍷 wine|🥂 cheers|🎂 birthday|🎁 gift present|🎈 balloon|🎵 music|🎮 game
⚽ football|🏆 trophy|🚀 rocket|🚗 car|✈️ plane travel|🏠 house home|⏰ alarm clock|📅 calendar
💡 idea light|📌 pin|📎 clip|✏️ pencil|🔒 lock|🔑 key|🔔 bell|💰 money
✅ done check|❌ wrong cross|❓ question|❗ important|⚠️ warning|♻️ recycle|➕ plus|🆗 ok
`;

/** `[emoji, names]`. */
export const EMOJI = LIST.trim()
  .split(/[\n|]/u)
  .map((entry) => [entry.slice(0, entry.indexOf(" ")), entry.slice(entry.indexOf(" ") + 1)]);

/** Those whose names hold all words of `wanted`. */
export function found(wanted) {
  const words = wanted.toLowerCase().split(/\s+/u).filter(Boolean);
  return EMOJI.filter(([, names]) => words.every((word) => names.includes(word)));
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Whether `text` is one sign that may stand as a reaction: 1 to 16 code points, 64 bytes, no blank, no control. */
export function isReaction(text) {
  const length = Array.from(text).length;
  const isOne = length >= 1 && length <= 16 && [...segmenter.segment(text)].length === 1;
  return isOne && new TextEncoder().encode(text).length <= 64 && !/[\s\p{Cc}]/u.test(text);
}
