// A server of node-opcua as a process: `node node_opcua_process.cjs PORT FOLDER`, FOLDER for its certificates; prints one
// line when it answers, ends with stdin.  Nodes as in conformance/peers.py.
"use strict";
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { standardUnits } = require("node-opcua-data-access");

const [port, folder, strictness] = process.argv.slice(2);
const POINTS = {
  DOUBLE: ["Double", 41.5],
  FLOAT: ["Float", 0.25],
  INT32: ["Int32", -7],
  UINT64: ["UInt64", [0x80000000, 1]],
  BOOL: ["Boolean", true],
  TEXT: ["String", "größe"],
};

function addNodes(server) {
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const area = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Area1", nodeId: "s=Area1" });
  for (const [name, [dataType, value]] of Object.entries(POINTS)) {
    const made = { componentOf: area, browseName: name, nodeId: `s=${name}`, dataType };
    own.addVariable({ ...made, value: { dataType, arrayType: "Scalar", value } });
  }
  own.addVariable({
    componentOf: area, browseName: "ARRAY", nodeId: "s=ARRAY", dataType: "Double", valueRank: 1,
    value: { dataType: "Double", arrayType: "Array", value: [1, 2] },
  });
  own.addAnalogDataItem({
    componentOf: area, browseName: "LEVEL", nodeId: "s=LEVEL", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 100 }, engineeringUnits: standardUnits.degree_celsius,
    value: { dataType: "Double", value: 20 },
  });
  own.addMultiStateDiscrete({ componentOf: area, browseName: "MODE", nodeId: "s=MODE", enumStrings: ["off", "on"], value: 1 });
  const counter = own.addVariable({
    componentOf: area, browseName: "COUNTER", nodeId: "s=COUNTER", dataType: "Int32", value: { dataType: "Int32", value: 0 },
  });
  space.installHistoricalDataNode(counter, { maxOnlineValues: 10000 });
  let number = 0;
  setInterval(() => counter.setValueFromSource({ dataType: "Int32", value: ++number }), 200);
}

async function main() {
  const certificates = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: strictness !== "strict", rootFolder: folder });
  const server = new OPCUAServer({
    port: Number(port),
    hostname: "127.0.0.1",
    resourcePath: "/",
    serverCertificateManager: certificates,
    userManager: { isValidUser: (user, password) => user === "operator" && password === "s3cret" },
  });
  await server.initialize();
  addNodes(server);
  await server.start();
  process.stdout.write(JSON.stringify({ port: Number(port) }) + "\n");
}

process.stdin.on("end", () => process.exit(0)).resume();
main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
