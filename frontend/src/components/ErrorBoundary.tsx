import { Component, type ReactNode } from "react";
import { RenderError } from "../api/failures";
import { FailureNotice } from "./FailureNotice";

type Props = { children: ReactNode };
type State = { error?: RenderError | undefined };

/** Without one, React takes the whole page away when a part of it throws. Only a class can be one. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = {};

  static getDerivedStateFromError(): State {
    return { error: new RenderError() };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return <FailureNotice error={this.state.error} retry={() => this.setState({ error: undefined })} />;
  }
}
