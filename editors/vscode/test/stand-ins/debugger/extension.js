// A stand-in for the Python Debugger extension, for tests: it contributes the debug type, and attaches as that does, by
// speaking the debug adapter protocol to the address that the configuration names.
const vscode = require("vscode");

exports.activate = (context) => {
  const factory = {
    createDebugAdapterDescriptor: ({ configuration }) =>
      new vscode.DebugAdapterServer(configuration.connect.port, configuration.connect.host),
  };
  context.subscriptions.push(vscode.debug.registerDebugAdapterDescriptorFactory("debugpy", factory));
};
