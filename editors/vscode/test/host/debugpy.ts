/** A debug adapter that says yes to everything and ends when it is told to go on: what debugpy is to a handshake. */
import * as net from "node:net";

/** A message of the debug adapter protocol, as far as it matters here. */
interface Message {
  seq: number;
  type: string;
  command: string;
}

/** A listening adapter. */
export interface Adapter {
  port: number;
  /** The commands that it was given, in order. */
  commands: string[];
  close(): void;
}

/** Listens on the loopback. */
export function listen(): Promise<Adapter> {
  const commands: string[] = [];
  const server = net.createServer((socket) => {
    let told = Buffer.alloc(0);
    const send = (message: object): void => {
      const body = JSON.stringify({ seq: 0, ...message });
      socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    };
    const take = ({ seq, command }: Message): void => {
      commands.push(command);
      send({
        type: "response",
        request_seq: seq,
        success: true,
        command,
        body: { supportsConfigurationDoneRequest: true },
      });
      if (command === "initialize") {
        send({ type: "event", event: "initialized" });
      } else if (command === "configurationDone") {
        send({ type: "event", event: "terminated" });
      }
    };
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      told = Buffer.concat([told, chunk]);
      for (;;) {
        const head = /^Content-Length: (\d+)\r\n\r\n/.exec(told.toString("latin1"));
        const end = head ? head[0].length + Number(head[1]) : Number.POSITIVE_INFINITY;
        if (!head || told.length < end) {
          return;
        }
        const message = JSON.parse(told.subarray(head[0].length, end).toString()) as Message;
        told = told.subarray(end);
        take(message);
      }
    });
  });
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => {
      done({ port: (server.address() as net.AddressInfo).port, commands, close: () => server.close() });
    });
  });
}
