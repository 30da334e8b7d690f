/** The node agent: a node of a flannel network. */
export { adoptionOf, type Adoption } from './adopt.js';
export { ATTACHMENTS, type AttachmentName } from './attachments.js';
export { askNode, askStatus, serveNode, type Listening } from './http.js';
export { installPlugin, uninstallPlugin, type Installed } from './install.js';
export { leaveNetwork, type LeftNetwork } from './leave.js';
export { NodeAgent, type NodeEvent, type NodeOptions, type NodeStatus } from './node.js';
