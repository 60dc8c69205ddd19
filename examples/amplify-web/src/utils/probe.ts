/**
 * Connect and subscribe over a separate WebSocket, to find the step that fails.
 *
 * MQTT 3.1.1 packets: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html, chapter 3.
 */

/** The last step that succeeded; 'timeout' if a server answered the WebSocket request but then stopped answering. */
export type Reached = 'nothing' | 'websocket' | 'connection' | 'topic' | 'timeout';

const TIMEOUT_MS = 10_000;
const CONNACK = 2;
const SUBACK = 9;
const CLEAN_SESSION = 0b10;
const KEEP_ALIVE_S = 30;

/** Open the signed URL, connect, subscribe to the topic and close. */
export function probe(signedUrl: string, clientId: string, topic: string): Promise<Reached> {
  return new Promise((resolve) => {
    let reached: Reached = 'nothing';
    let received: number[] = [];
    const socket = new WebSocket(signedUrl, 'mqtt');
    socket.binaryType = 'arraybuffer';

    const finish = () => {
      clearTimeout(timer);
      socket.close();
      resolve(reached);
    };
    const timer = setTimeout(() => {
      if (reached !== 'nothing') reached = 'timeout';
      finish();
    }, TIMEOUT_MS);
    socket.onclose = finish;
    socket.onopen = () => {
      reached = 'websocket';
      socket.send(connect(clientId));
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      received = [...received, ...new Uint8Array(data)];
      for (let packet = takePacket(received); packet; packet = takePacket(received)) {
        const accepted = (packet.body.at(-1) ?? 0x80) < 0x80;
        if (packet.type === CONNACK && packet.body[1] === 0) {
          reached = 'connection';
          socket.send(subscribe(topic));
        } else if (packet.type === SUBACK && accepted) {
          reached = 'topic';
          finish();
        } else if (packet.type === CONNACK || packet.type === SUBACK) {
          finish();
        }
      }
    };
  });
}

function connect(clientId: string): Uint8Array<ArrayBuffer> {
  return packet(0x10, [...text('MQTT'), 4, CLEAN_SESSION, 0, KEEP_ALIVE_S, ...text(clientId)]);
}

function subscribe(topic: string): Uint8Array<ArrayBuffer> {
  const packetId = [0, 1];
  const qos = 0;
  return packet(0x82, [...packetId, ...text(topic), qos]);
}

function packet(header: number, body: number[]): Uint8Array<ArrayBuffer> {
  const length: number[] = [];
  for (let rest = body.length; rest > 0 || length.length === 0; rest >>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  }
  return new Uint8Array([header, ...length, ...body]);
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

/** Remove and return the first complete packet, if there is one. */
function takePacket(received: number[]): { type: number; body: number[] } | undefined {
  let length = 0;
  for (let position = 1; position <= 4; position += 1) {
    const byte = received[position];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << (7 * (position - 1));
    if (byte < 0x80) {
      const begin = position + 1;
      if (received.length < begin + length) return undefined;
      const [header = 0] = received;
      return { type: header >> 4, body: received.splice(0, begin + length).slice(begin) };
    }
  }
  return undefined;
}
